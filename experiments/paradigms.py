"""A masked editor beside a rectified flow of the same trunk: ``python experiments/paradigms.py [DEV TEST HOLD]``.

Draws ``paradigms.png`` and prints the tables from ``dev.csv``, ``test.csv`` and ``hold.csv``, which are first made anew from the
rows of three sweeps where those are given: over steps and guidance, of what was chosen, and over the threshold of hold. A
checkpoint goes by its first folder.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas
from tell import difference, markdown, points, rate

from editmgt.metrics import UNTOUCHED
from editmgt.results import SweepDirectory

HERE = Path(__file__).parent / "paradigm"
COLUMNS = {
    "seed": "seed",
    "sample_id": "sample_id",
    "edit_type": "edit_type",
    "edit/success": "success",
    "edit/success_strict": "strict",
    "inside/l1": "inside",
    "outside_codec/l1": "outside",
    "outside_codec/changed": "changed",
    "localization/auc": "auc",
    "localization/held": "held",
    "speed/edit_seconds": "seconds",
}
NAMES = {"mgt": "masked", "flow": "flow"}
GUIDANCE = 1.25  # the shipped editors'
COLOURS = {"masked": "tab:blue", "flow": "tab:orange"}
SCORES = {  # name -> heading, digits
    "success": ("success ↑", 3),
    "strict": ("strict ↑", 3),
    "inside": ("inside L1 ↓", 4),
    "outside": ("outside L1 beyond the codec ↓", 4),
}


def collect(sweep: Path) -> pandas.DataFrame:
    """Return the rows of every cell, with its paradigm, steps, guidance and hold."""
    tables = []
    for cell in SweepDirectory(sweep).finished():
        rows, config = cell.samples(), cell.config()
        assert (rows["status"] == "ok").all(), "every edit counts"
        settings = {
            "paradigm": NAMES[Path(config["checkpoint"]).parts[0]],
            "steps": config["sampler"]["steps"],
            "guidance": config["sampler"]["guidance_scale"],
            "hold": config["model"]["region_hold"],
            "threshold": config["model"]["hold"]["threshold"],
        }
        tables.append(rows.rename(columns=COLUMNS)[[*COLUMNS.values()]].assign(**settings))
    return pandas.concat(tables).sort_values([*settings, "seed", "sample_id"])


def draw(rows: pandas.DataFrame) -> plt.Figure:
    """Return the figure: success and strict success over steps, and damage against success at any steps and guidance."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    for paradigm, own in rows.groupby("paradigm"):
        cells = own.groupby(["guidance", "steps"])
        chosen = own["guidance"] == GUIDANCE
        label = f"{paradigm}, guidance {GUIDANCE:g}"
        for axis, score in zip(axes, ("success", "strict"), strict=False):
            means, errors = points(own[chosen].groupby("steps")[score])
            axis.errorbar(
                means.index, means, yerr=errors, marker="o", capsize=2, label=label, color=COLOURS[paradigm]
            )
            axis.set(xscale="log", xlabel="steps", ylabel=f"{score}, {own['sample_id'].nunique()} dev scenes")
            axis.set_xticks(means.index, [f"{steps}" for steps in means.index])
            axis.minorticks_off()
        axes[2].scatter(
            cells["success"].mean(), cells["outside"].mean(), label=paradigm, color=COLOURS[paradigm]
        )
    axes[2].set(xlabel="success", ylabel="outside L1 beyond the codec", ylim=(0, None))
    axes[1].legend()
    axes[2].legend(title="any steps and guidance", loc="upper center")
    for axis in axes:
        axis.grid(alpha=0.3)
    return figure


def knobs(rows: pandas.DataFrame) -> str:
    """Return Markdown: a line for each paradigm, guidance and number of steps."""
    lines = []
    for (paradigm, guidance, steps), own in rows.groupby(["paradigm", "guidance", "steps"]):
        restraint = (own["changed"].dropna() <= UNTOUCHED).mean()
        lines.append(
            [
                f"{paradigm}",
                f"{guidance:g}",
                f"{steps}",
                rate(own["success"]),
                rate(own["strict"]),
                f"{own['outside'].mean():.4f}",
                f"{restraint:.3f}",
                f"{own['seconds'].mean():.3f}",
            ]
        )
    heads = ["success [95%] ↑", "strict [95%] ↑", "outside L1 beyond the codec ↓", "restraint ↑", "seconds ↓"]
    return markdown(["paradigm", "guidance", "steps", *heads], lines)


def compared(rows: pandas.DataFrame) -> str:
    """Return Markdown: what was chosen of both, hold off and on, and the paired differences, also where both succeed."""
    off = rows[~rows["hold"]]
    both = off.pivot(index=["seed", "sample_id"], columns="paradigm", values="success").min(axis=1)
    succeed = off.set_index(["seed", "sample_id"]).loc[both[both == 1].index].reset_index()
    of_types = {f"{kind}, hold off": own for kind, own in off.groupby("edit_type")}
    lines = []
    for name, own in {
        "all, hold off": off,
        "all, hold on": rows[rows["hold"]],
        "hold off, where both succeed": succeed,
        **of_types,
    }.items():
        cells = []
        for score, (_, digits) in SCORES.items():
            means = own.groupby("paradigm")[score].mean()
            if means.isna().any():  # nothing is outside an edit of the whole picture
                cells.append("")
                continue
            each = f"{means['masked']:.{digits}f}, {means['flow']:.{digits}f}"
            told = difference(own, score, "paradigm", "flow", "masked", digits)
            cells.append(each if "nan" in told else f"{each} ({told})")  # all alike: nothing to estimate
        lines.append([name, f"{own['sample_id'].nunique()}", *cells])
    return markdown(["edits", "n", *(heading for heading, _ in SCORES.values())], lines)


def rest(rows: pandas.DataFrame) -> str:
    """Return Markdown: restraint, the map and the time of each paradigm, hold off and on."""
    lines = []
    for (paradigm, hold), own in rows.groupby(["paradigm", "hold"]):
        restraint = rate(own["changed"].dropna() <= UNTOUCHED)
        lines.append(
            [
                f"{paradigm}, hold {'on' if hold else 'off'}",
                restraint,
                f"{own['auc'].mean():.3f}",
                f"{own['seconds'].mean():.3f}",
            ]
        )
    return markdown(["editor", "restraint [95%] ↑", "map AUC ↑", "seconds an edit ↓"], lines)


def thresholds(rows: pandas.DataFrame) -> str:
    """Return Markdown: a line for each paradigm and threshold of hold by attention."""
    lines = []
    for (paradigm, threshold), own in rows.groupby(["paradigm", "threshold"]):
        rates = (rate(own[score]) for score in ("success", "strict"))
        means = (f"{own['held'].mean():.3f}", *rates, f"{own['outside'].mean():.4f}")
        lines.append([f"{paradigm}", f"{threshold:g}", *means])
    heads = ["tokens held", "success [95%] ↑", "strict [95%] ↑", "outside L1 beyond the codec ↓"]
    return markdown(["paradigm", "lambda", *heads], lines)


if __name__ == "__main__":
    tables = ("dev.csv", "test.csv", "hold.csv")
    if sys.argv[1:]:
        for name, sweep in zip(tables, sys.argv[1:], strict=True):
            collect(Path(sweep)).round(5).to_csv(HERE / name, index=False)
    dev, test, hold = (pandas.read_csv(HERE / name) for name in tables)
    draw(dev).savefig(HERE / "paradigms.png", dpi=120)
    print(compared(test), end="\n\n")
    print(rest(test), end="\n\n")
    print(thresholds(hold), end="\n\n")
    print(knobs(dev), end="")
