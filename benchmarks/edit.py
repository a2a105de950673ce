"""What an edit costs, side by side with the released code: ``python benchmarks/edit.py [--published DIR --python PATH]``.

DIR is a work tree of github.com/weichow23/EditMGT at 23a98af, PATH the Python of an environment that runs it (README.md
here says how to make both). Without them only this project's rows are there. The sides take turns, edit by edit, each in a
process that is warm; nothing else should run. Prints a table and writes the seconds of every edit as JSON.
"""

import argparse
import json
import platform
import statistics
import sys
from pathlib import Path
from typing import Any

import torch
from side import Side

SIDES = Path(__file__).with_name("edit_sides.py")
ROWS = [  # what is compared, this side's variant, the other side's, whether presets' steps are taken
    ("exact, plain", ("ours", "plain"), ("published", "plain"), False),
    ("exact, hold on four layers, gamma 1.1", ("ours", "hold_gamma"), ("published", "hold_gamma"), False),
    ("hold with consolidation against none", ("ours", "hold"), ("ours", "plain"), False),
    ("source attending to itself, against plain", ("ours", "itself"), ("ours", "plain"), False),
    ("speed=quality against published, plain", ("ours", "quality"), ("published", "plain"), True),
    ("speed=balanced against published, plain", ("ours", "balanced"), ("published", "plain"), True),
    ("speed=fast against published, plain", ("ours", "fast"), ("published", "plain"), True),
    ("speed=balanced against speed=quality", ("ours", "balanced"), ("ours", "quality"), True),
    ("speed=fast against speed=quality", ("ours", "fast"), ("ours", "quality"), True),
]


def start(name: str, python: str = sys.executable, reference: str = "") -> Side:
    """Start a side of ``edit_sides.py``; ``reference`` is the released code's folder."""
    return Side([python, str(SIDES), name], {"REFERENCE": reference, "HF_HUB_OFFLINE": "1"})


def main() -> None:
    """Time, print, and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--published", help="work tree of the released code")
    parser.add_argument("--python", help="Python of its environment")
    parser.add_argument("--rounds", type=int, default=3, help="edits of each kind (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=4, help="of the exact rows (default: %(default)s)")
    parser.add_argument(
        "--preset-steps",
        type=int,
        default=36,
        help="of the presets' rows (default: %(default)s, as published)",
    )
    parser.add_argument("--output", type=Path, default=Path("benchmarks/edit.json"))
    options = parser.parse_args()

    sides = {"ours": start("ours")}
    if options.published is not None:
        sides["published"] = start("published", options.python, options.published)
    rows = [row for row in ROWS if row[1][0] in sides and row[2][0] in sides]
    wanted = {
        (*edit, options.preset_steps if preset else options.steps): None
        for _, own, other, preset in rows
        for edit in (own, other)
    }
    for name, side in sides.items():
        print(f"warming up {name}", file=sys.stderr)
        side.ask(variant="plain", steps=1)
    memory = {
        name: side.ask(variant="memory") for name, side in sides.items()
    }  # of a plain edit, before all others
    seconds: dict[tuple[str, str, int], list[float]] = {edit: [] for edit in wanted}
    for turn in range(options.rounds):
        for edit, taken in seconds.items():
            taken.append(sides[edit[0]].ask(variant=edit[1], steps=edit[2]))
            print(
                f"round {turn + 1}/{options.rounds}: {' '.join(map(str, edit))} {taken[-1]:.1f} s",
                file=sys.stderr,
            )
    for side in sides.values():
        side.end()

    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, 2 threads, float32")
    print(f"| {'edit':<42} | steps | seconds, median | times faster, median (all) |\n|---|---|---|---|")
    for name, own, other, preset in rows:
        steps = options.preset_steps if preset else options.steps
        a, b = seconds[*own, steps], seconds[*other, steps]
        ratios = [y / x for x, y in zip(a, b, strict=True)]
        shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        medians = f"{statistics.median(b):.1f} → {statistics.median(a):.1f}"
        print(f"| {name:<42} | {steps} | {medians} | {statistics.median(ratios):.2f} ({shown}) |")
    for name, megabytes in memory.items():
        print(f"peak resident memory of a plain edit, {name}: {megabytes:.0f} MB")
    write(options.output, seconds, memory)


def write(path: Path, seconds: dict[tuple[str, str, int], list[float]], memory: dict[str, float]) -> None:
    """Write every edit's seconds."""
    edits: list[dict[str, Any]] = [
        {"side": side, "variant": variant, "steps": steps, "seconds": taken}
        for (side, variant, steps), taken in seconds.items()
    ]
    path.write_text(
        json.dumps({"torch": torch.__version__, "edits": edits, "peak_mb": memory}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
