"""How the cost of an edit grows with its steps, its side, the instructions of one picture, and the area that may change.

    python benchmarks/growth.py [--rounds 2]

The edits of ``benchmarks/edit.py``, exact; the area's with ``speed=balanced``. Prints the seconds beside the operations that
were counted, fits one line through all of them, and draws both: ``growth.png``, ``growth.json`` beside this file.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from edit import start

HERE = Path(__file__).resolve().parent
PLAIN: dict[str, Any] = {"variant": "plain", "steps": 2, "side": 1024, "batch": 1}
SWEPT: dict[str, list[dict[str, Any]]] = {
    "steps": [PLAIN | {"steps": steps} for steps in (1, 2, 4, 8)],
    "side": [PLAIN | {"side": side} for side in (512, 768, 1024, 1536, 2048)],
    "batch": [PLAIN | {"batch": batch} for batch in (1, 2, 4)],
    "area": [
        {"variant": "balanced", "steps": 12, "side": 1024, "batch": 1, "area": area}
        for area in (0.1, 0.3, 0.6, 1.0)
    ],
}
LABELS = {
    "steps": "steps",
    "side": "side of the picture, pixels",
    "batch": "instructions of one picture",
    "area": "part that may change, balanced",
}


def main() -> None:
    """Count each edit, which warms up as well, then time it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=2, help="edits of each kind that are timed")
    rounds = parser.parse_args().rounds
    side = start("ours")
    swept = [edit for edits in SWEPT.values() for edit in edits]
    edits = [edit for i, edit in enumerate(swept) if edit not in swept[:i]]
    counted = []
    for edit in edits:
        counted.append(side.ask(**edit, count=True))
        print(f"{edit}: {counted[-1] / 1e12:.2f} x 1e12 operations", file=sys.stderr)
    seconds: list[list[float]] = [[] for _ in edits]
    for turn in range(rounds):
        for edit, taken in zip(edits, seconds, strict=True):
            taken.append(side.ask(**edit))
            print(f"round {turn + 1}/{rounds}: {edit} {taken[-1]:.1f} s", file=sys.stderr)
    side.end()
    measured = [
        edit | {"operations": operations, "seconds": taken}
        for edit, operations, taken in zip(edits, counted, seconds, strict=True)
    ]
    (HERE / "growth.json").write_text(
        json.dumps({"torch": torch.__version__, "edits": measured}, indent=1) + "\n"
    )
    draw(measured)


def fit(measured: list[dict[str, Any]]) -> tuple[float, float]:
    """Return seconds an edit takes whatever it does, and seconds of 1e12 operations: least squares of relative errors."""
    seconds = np.array([statistics.median(edit["seconds"]) for edit in measured])
    teraflops = np.array([edit["operations"] / 1e12 for edit in measured])
    weighted = np.stack([1 / seconds, teraflops / seconds], axis=1)
    fixed, each = np.linalg.lstsq(weighted, np.ones(len(seconds)), rcond=None)[0]
    return float(fixed), float(each)


def draw(measured: list[dict[str, Any]]) -> None:
    """Print a row for each edit, and draw a panel for each thing that grows."""
    fixed, each = fit(measured)
    figure = Figure(figsize=(11, 3), layout="constrained")
    for axes, (name, swept) in zip(figure.subplots(1, len(SWEPT)), SWEPT.items(), strict=True):
        rows = [next(row for row in measured if edit.items() <= row.items()) for edit in swept]
        x = [edit[name] for edit in swept]
        medians = [statistics.median(row["seconds"]) for row in rows]
        told = [fixed + each * row["operations"] / 1e12 for row in rows]
        axes.plot(x, told, color="#8a8a90", label="by counted operations")
        axes.plot(x, medians, "o", color="#0072B2", label="measured")
        axes.set(xlabel=LABELS[name], ylim=(0, None))
        for value, row, median, expected in zip(x, rows, medians, told, strict=True):
            print(f"| {name} {value} | {row['operations'] / 1e12:.2f} | {median:.1f} | {expected:.1f} |")
    figure.axes[0].set_ylabel("seconds of an edit")
    figure.axes[0].legend()
    FigureCanvasAgg(figure).print_png(HERE / "growth.png")
    print(f"{fixed:.2f} s and {each:.2f} s for 1e12 operations ({1 / each:.3f} TFLOP/s)")


if __name__ == "__main__":
    main()
