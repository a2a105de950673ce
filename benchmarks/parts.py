"""What each part of an edit costs, once and at every step: ``python benchmarks/parts.py [--rounds 3]``.

The exact edits of ``benchmarks/edit_sides.py``, which take turns. An edit of one step and one of five tell what a step
takes, and what is taken once. Prints a row for each part and draws both: ``parts.png``, ``parts.json`` beside this file.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from edit import start

HERE = Path(__file__).resolve().parent
FEW, MANY = 1, 5  # steps
PARTS = {
    "input": "source at the input (no injection)",
    "plain": "injection",
    "gamma": "injection, gamma 1.1",
    "hold_1": "injection, hold by 1 layer",
    "hold_4": "injection, hold by 4 layers, consolidated",
    "hold_12": "injection, hold by all 12 layers, consolidated",
    "posterior": "injection, hold by the posterior",
}


def main() -> None:
    """Count each edit, which warms up as well, take its memory, then time it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="edits of each kind that are timed")
    rounds = parser.parse_args().rounds
    side = start("ours")
    measured: list[dict[str, Any]] = []
    for part in PARTS:
        once, twice = (side.ask(variant=part, steps=steps, count=True) for steps in (1, 2))
        megabytes = side.ask(variant=part, steps=2, peak=True)
        measured.append({"part": part, "operations_of_a_step": twice - once, "peak_mb": megabytes})
        measured[-1] |= {"few": [], "many": []}
        print(measured[-1], file=sys.stderr)
    for turn in range(rounds):
        for row in measured:
            for name, steps in (("few", FEW), ("many", MANY)):
                row[name].append(side.ask(variant=row["part"], steps=steps))
            print(
                f"round {turn + 1}/{rounds}: {row['part']} {row['few'][-1]:.1f} {row['many'][-1]:.1f} s",
                file=sys.stderr,
            )
    side.end()
    (HERE / "parts.json").write_text(
        json.dumps({"torch": torch.__version__, "parts": measured}, indent=1) + "\n"
    )
    draw(measured)


def draw(measured: list[dict[str, Any]]) -> None:
    """Print a row for each part, and draw the seconds of its steps, turn by turn, beside its memory."""
    steps = {
        row["part"]: [(many - few) / (MANY - FEW) for few, many in zip(row["few"], row["many"], strict=True)]
        for row in measured
    }
    plain = statistics.median(steps["plain"])
    figure = Figure(figsize=(10, 3), layout="constrained")
    seconds, memory = figure.subplots(1, 2, sharey=True)
    for place, row in enumerate(measured):
        taken = steps[row["part"]]
        median = statistics.median(taken)
        once = statistics.median(row["few"]) - median
        spread = ", ".join(f"{one / plain:.2f}" for one in taken)
        print(
            f"| {PARTS[row['part']]} | {row['operations_of_a_step'] / 1e12:.3f} | {median:.2f} | {median / plain:.2f} "
            f"({spread}) | {once:.1f} | {row['peak_mb']:.0f} |"
        )
        seconds.barh(place, median, color="#0072B2")
        seconds.plot(taken, [place] * len(taken), "k.", markersize=4)
        memory.barh(place, row["peak_mb"], color="#8a8a90")
    seconds.set_yticks(range(len(measured)), [PARTS[row["part"]] for row in measured])
    seconds.invert_yaxis()
    seconds.set_xlabel("seconds of a step, median; dots: the turns")
    memory.set_xlabel("megabytes that an edit takes beyond weights and libraries")
    FigureCanvasAgg(figure).print_png(HERE / "parts.png")


if __name__ == "__main__":
    main()
