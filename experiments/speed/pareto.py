"""Quality against time, for each preset and number of steps: ``python experiments/speed/pareto.py [SWEEP_DIRECTORY]``.

Draws ``pareto.png`` from ``pareto.csv``, which is first made anew from the rows of a sweep where one is given.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas
from scipy.stats import binomtest

from editmgt.results import RunDirectory, SweepDirectory

HERE = Path(__file__).parent
COLUMNS = {
    "sample_id": "sample_id",
    "edit/success": "success",
    "edit/success_strict": "strict",
    "speed/edit_seconds": "seconds",
}


def collect(sweep: Path) -> pandas.DataFrame:
    """Return the rows of every cell with its preset and its steps."""
    tables = []
    for name in SweepDirectory(sweep).cells():
        cell = RunDirectory(sweep / name)
        rows, config = cell.samples(), cell.config()
        assert (rows["status"] == "ok").all(), "every edit counts"
        rows = rows.rename(columns=COLUMNS)[[*COLUMNS.values()]]
        tables.append(rows.assign(speed=config["speed"], steps=config["sampler"]["steps"]))
    return pandas.concat(tables).sort_values(["speed", "steps", "sample_id"])


def draw(rows: pandas.DataFrame) -> plt.Figure:
    """Return the figure: success and strict success with exact 95% intervals over the median seconds of an edit."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharex=True, layout="constrained")
    for axis, score in zip(axes, ("success", "strict"), strict=True):
        for speed, own in rows.groupby("speed"):
            cells = own.groupby("steps")
            seconds, means = cells["seconds"].median(), cells[score].mean()
            intervals = [binomtest(int(hits.sum()), len(hits)).proportion_ci() for _, hits in cells[score]]
            errors = [[m - i.low for m, i in zip(means, intervals, strict=True)],
                      [i.high - m for m, i in zip(means, intervals, strict=True)]]  # fmt: skip
            axis.errorbar(seconds, means, yerr=errors, marker="o", capsize=2, label=speed)
            for steps in means.index:
                axis.annotate(
                    str(steps), (seconds[steps], means[steps]), (4, 4), textcoords="offset points", fontsize=8
                )
        axis.set(
            xscale="log",
            xlabel="seconds an edit, median",
            ylabel=f"{score} ({len(own) // len(means)} dev scenes)",
        )
        axis.grid(alpha=0.3)
    axes[0].legend(title="speed; steps beside")
    return figure


if __name__ == "__main__":
    if sys.argv[1:]:
        collect(Path(sys.argv[1])).round(5).to_csv(HERE / "pareto.csv", index=False)
    draw(pandas.read_csv(HERE / "pareto.csv")).savefig(HERE / "pareto.png", dpi=120)
