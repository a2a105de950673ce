"""Quality against time, for each preset and number of steps: ``python experiments/pareto.py [SWEEP_DIRECTORY]``.

Draws ``pareto.png`` and prints the table from ``pareto.csv``, which is first made anew from the rows of a sweep where one is given.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas
from tell import markdown, points, rate

from editmgt.results import SweepDirectory

HERE = Path(__file__).parent / "speed"
COLUMNS = {
    "sample_id": "sample_id",
    "edit/success": "success",
    "edit/success_strict": "strict",
    "speed/edit_seconds": "seconds",
}


def collect(sweep: Path) -> pandas.DataFrame:
    """Return the rows of every cell with its preset and its steps."""
    tables = []
    for cell in SweepDirectory(sweep).finished():
        rows, config = cell.samples(), cell.config()
        assert (rows["status"] == "ok").all(), "every edit counts"
        rows = rows.rename(columns=COLUMNS)[[*COLUMNS.values()]]
        tables.append(rows.assign(speed=config["speed"], steps=config["sampler"]["steps"]))
    return pandas.concat(tables).sort_values(["speed", "steps", "sample_id"])


def draw(rows: pandas.DataFrame) -> plt.Figure:
    """Return the figure: success and strict success with exact 95% intervals over the mean seconds of an edit."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharex=True, layout="constrained")
    for axis, score in zip(axes, ("success", "strict"), strict=True):
        for (speed, own), place in zip(rows.groupby("speed"), ((0, -12), (0, 6), (5, 5)), strict=True):
            cells = own.groupby("steps")
            seconds, (means, errors) = cells["seconds"].mean(), points(cells[score])
            axis.errorbar(seconds, means, yerr=errors, marker="o", elinewidth=0.7, capsize=2, label=speed)
            for steps in means.index:
                axis.annotate(
                    str(steps), (seconds[steps], means[steps]), place, textcoords="offset points", fontsize=7
                )
        axis.set(xscale="log", xlabel="seconds an edit, mean", ylabel=f"{score}, 192 dev scenes")
        axis.set_xticks([0.1, 0.2, 0.4], ["0.1", "0.2", "0.4"])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    figure.legend(
        *axes[0].get_legend_handles_labels(), title="speed, with its steps", loc="outside right upper"
    )
    return figure


def table(rows: pandas.DataFrame) -> str:
    """Return Markdown: a line for each preset and number of steps, seconds as mean with the middle half of the edits."""
    lines = []
    for (speed, steps), own in rows.groupby(["speed", "steps"]):
        low, high = own["seconds"].quantile([0.25, 0.75])
        seconds = f"{own['seconds'].mean():.3f} ({low:.3f} to {high:.3f})"
        lines.append([f"`{speed}`", str(steps), rate(own["success"]), rate(own["strict"]), seconds])
    return markdown(["speed", "steps", "success [95%] ↑", "strict [95%] ↑", "seconds an edit ↓"], lines)


if __name__ == "__main__":
    if sys.argv[1:]:
        collect(Path(sys.argv[1])).round(5).to_csv(HERE / "pareto.csv", index=False)
    stored = pandas.read_csv(HERE / "pareto.csv")
    draw(stored).savefig(HERE / "pareto.png", dpi=120)
    print(table(stored), end="")
