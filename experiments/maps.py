"""Which map knows where an edit belongs: ``python experiments/maps.py [DEV_RUN TEST_RUN]``.

Draws ``maps.png`` and prints the table from ``dev.csv`` and ``test.csv``, which are first copied from the runs of
``experiment=localization_layers`` where these are given.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas
from tell import markdown

HERE = Path(__file__).parent / "localization"
SHOWN = {  # maps of the table, as a score of the figure's right half, or None
    "posterior": "tab:blue",
    "guidance": "tab:orange",
    "layers 2+3, adaptive": "tab:green",
    "layers 2+3, gaussian": None,
    "layers 2+3, none": None,
    "layers 1+2+3, adaptive": None,
    "layer 3, none": "tab:red",
}


def read(path: Path) -> pandas.DataFrame:
    """Return the rows of a run, each by the name of its map."""
    rows = pandas.read_csv(path, dtype={"layers": str}, keep_default_na=False, na_values=["nan"])
    several = rows["layers"].str.contains("+", regex=False)
    named = np.where(several, "layers ", "layer ") + rows["layers"] + ", " + rows["smoothing"]
    return rows.set_index(pandas.Index(np.where(rows["layers"] == "", rows["source"], named), name="map"))


def table(dev: pandas.DataFrame, test: pandas.DataFrame) -> str:
    """Return Markdown: a line for each map that is shown, what it does on test scenes, and its AUC on dev."""
    head = (
        "map",
        "AUC [95%] ↑",
        "best IoU [95%] ↑",
        "pointing game ↑",
        "calibration error ↓",
        "n",
        "AUC on dev",
    )
    lines = []
    for name in SHOWN:
        own = test.loc[name]
        auc, iou = (
            f"{own[f'{m}/mean']:.3f} [{own[f'{m}/low']:.3f}, {own[f'{m}/high']:.3f}]"
            for m in ("auc", "iou_best")
        )
        others = (own["pointing/mean"], own["calibration_error"])
        lines.append(
            [name, auc, iou, *(f"{value:.3f}" for value in others), str(own["auc/n"]),
             f"{dev.loc[name, 'auc/mean']:.3f}"]
        )  # fmt: skip
    return markdown(head, lines)


def draw(dev: pandas.DataFrame, test: pandas.DataFrame) -> plt.Figure:
    """Return the figure: AUC of every map without smoothing, dev and test; and what share of the pixels with a score is inside."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained", width_ratios=[3, 2])
    names = [name for name in test.index if name in ("posterior", "guidance") or name.endswith("none")]
    names.sort(key=lambda name: dev.loc[name, "auc/mean"])
    for rows, place, split in ((dev, -0.15, "dev"), (test, 0.15, "test")):
        means, low, high = (rows.loc[names, f"auc/{end}"] for end in ("mean", "low", "high"))
        heights = np.arange(len(names)) + place
        left.errorbar(
            means,
            heights,
            xerr=[means - low, high - means],
            fmt="o",
            elinewidth=0.8,
            capsize=2,
            label=f"{split}, {rows['auc/n'].max()} scenes",
        )
    left.set(yticks=range(len(names)), yticklabels=[name.removesuffix(", none") for name in names])
    left.set(title="who knows the place (chance: .5)", xlabel="AUC")
    left.legend()
    for name, colour in SHOWN.items():
        if colour is not None:
            scores, inside = (
                test.loc[name].filter(regex=rf"^{kind}\[").to_numpy(float) for kind in ("score", "inside")
            )
            right.plot(scores, inside, marker="o", color=colour, label=name)
    right.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    right.set(
        title="can its scores be taken as probabilities?", xlabel="score", ylabel="share inside the edit"
    )
    right.legend()
    for axis in (left, right):
        axis.grid(alpha=0.3)
    return figure


if __name__ == "__main__":
    for name, run in zip(("dev", "test"), map(Path, sys.argv[1:]), strict=False):
        measured = pandas.read_csv(run / "localization_layers.csv", dtype={"layers": str})
        measured.filter(regex=r"^(?!iou@)").round(5).to_csv(HERE / f"{name}.csv", index=False)
    on_dev, on_test = (read(HERE / f"{name}.csv") for name in ("dev", "test"))
    draw(on_dev, on_test).savefig(HERE / "maps.png", dpi=100)
    print(table(on_dev, on_test), end="")
