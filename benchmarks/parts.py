"""What each part of an edit costs, once and at every step: ``python benchmarks/parts.py [--rounds 3]``.

The exact edits of ``benchmarks/edit_sides.py``, which take turns. An edit of one step and one of five tell what a step
takes, and what is taken once. Writes ``experiments/cost/parts.json``, which ``experiments/costs.py`` tells.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from edit import start

OUT = Path(__file__).resolve().parent.parent / "experiments" / "cost" / "parts.json"
FEW, MANY = 1, 5  # steps
PARTS = ("input", "plain", "gamma", "hold_1", "hold_4", "hold_12", "posterior")


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
    versions = {"torch": torch.__version__, "steps": [FEW, MANY]}
    OUT.write_text(json.dumps(versions | {"parts": measured}, indent=1) + "\n")


if __name__ == "__main__":
    main()
