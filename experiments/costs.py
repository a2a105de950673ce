"""Tell what each part of an edit costs, from ``parts.json``: prints the table, draws ``costs.png``."""

import json
import statistics
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

HERE = Path(__file__).parent / "cost"
NAMES = {
    "input": "source at the input (no injection)",
    "plain": "injection",
    "gamma": "injection, gamma 1.1",
    "hold_1": "injection, hold by 1 layer",
    "hold_4": "injection, hold by 4 layers, consolidated",
    "hold_12": "injection, hold by all 12 layers, consolidated",
    "posterior": "injection, hold by the posterior",
}


def main() -> None:
    """Print a row for each part, and draw its steps, turn by turn, beside its memory."""
    stored = json.loads((HERE / "parts.json").read_text())
    few_steps, many_steps = stored["steps"]
    measured: list[dict[str, Any]] = stored["parts"]
    steps = {
        row["part"]: [
            (many - few) / (many_steps - few_steps) for few, many in zip(row["few"], row["many"], strict=True)
        ]
        for row in measured
    }
    figure = Figure(figsize=(10, 3), layout="constrained")
    seconds, memory = figure.subplots(1, 2, sharey=True)
    print("| edit | 1e12 operations a step | s a step | times injection's (each turn) | s once | MB |")
    print("| --- | ---: | ---: | --- | ---: | ---: |")
    for place, row in enumerate(measured):
        taken = steps[row["part"]]
        median = statistics.median(taken)
        once = statistics.median(row["few"]) - median * few_steps
        ratios = [one / plain for one, plain in zip(taken, steps["plain"], strict=True)]  # of one turn each
        spread = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(
            f"| {NAMES[row['part']]} | {row['operations_of_a_step'] / 1e12:.3f} | {median:.2f} "
            f"| {statistics.median(ratios):.2f} ({spread}) | {once:.1f} | {row['peak_mb']:.0f} |"
        )
        seconds.barh(place, median, color="#0072B2")
        seconds.plot(taken, [place] * len(taken), "k.", markersize=4)
        memory.barh(place, row["peak_mb"], color="#8a8a90")
    seconds.set_yticks(range(len(measured)), [NAMES[row["part"]] for row in measured])
    seconds.invert_yaxis()
    seconds.set_xlabel("seconds a step: median, and each turn")
    memory.set_xlabel("MB beyond weights and libraries")
    FigureCanvasAgg(figure).print_png(HERE / "costs.png")


if __name__ == "__main__":
    main()
