"""Quality against time, presets by steps: ``python experiments/speed/pareto.py`` draws ``pareto.png`` from ``pareto.csv``.

With a sweep's directory as argument, whose cells vary ``speed`` and ``sampler.steps``, ``pareto.csv`` is first made anew.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas
import yaml

HERE = Path(__file__).parent
RATES = {"edit/success": "success", "edit/success_strict": "strict success"}


def collect(sweep: Path) -> pandas.DataFrame:
    """Return a row for each cell: its preset and steps, rates, and seconds an edit."""
    rows = []
    for path in sorted(sweep.glob("*/samples.csv")):
        config = yaml.safe_load(path.with_name("config.yaml").read_text())
        table = pandas.read_csv(path)
        assert (table["status"] == "ok").all(), "every edit counts"
        means = table[[*RATES, "speed/edit_seconds"]].mean().round(4)
        rows.append({"speed": config["speed"], "steps": config["sampler"]["steps"], "n": len(table), **means})
    return pandas.DataFrame(rows).sort_values(["speed", "steps"])


def draw(rows: pandas.DataFrame) -> None:
    """One panel a rate; a line a preset, its points named by their steps."""
    figure, axes = plt.subplots(1, len(RATES), figsize=(8, 3.4), layout="constrained")
    for axis, (metric, name) in zip(axes, RATES.items(), strict=True):
        for speed, own in rows.groupby("speed"):
            axis.plot(own["speed/edit_seconds"], own[metric], "o-", label=speed)
            for _, row in own.iterrows():
                at = (row["speed/edit_seconds"], row[metric])
                axis.annotate(f"{row['steps']}", at, xytext=(4, 4), textcoords="offset points", fontsize=7)
        axis.set(xlabel="seconds an edit (log)", ylabel=name, xscale="log")
        axis.legend(fontsize=8)
    figure.suptitle(f"{rows['n'].max()} dev scenes; numbers: steps")
    figure.savefig(HERE / "pareto.png", dpi=110)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        collect(Path(sys.argv[1])).to_csv(HERE / "pareto.csv", index=False)
    draw(pandas.read_csv(HERE / "pareto.csv"))
