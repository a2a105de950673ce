"""What each knob of an edit does, one at a time: ``python experiments/curves.py [SWEEP_DIRECTORY ...]``.

Draws ``curves.png`` and prints the two tables from ``dev.csv`` and ``test.csv``, which are first made anew from the rows of
sweeps where those are given: a sweep over a knob goes by that knob's name, the cells of the others by what they compare.
"""

import sys
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas
from tell import difference, markdown, points, rate

from editmgt.metrics import UNTOUCHED
from editmgt.results import SweepDirectory

HERE = Path(__file__).parent / "thresholds"
COLUMNS = {
    "seed": "seed",
    "sample_id": "sample_id",
    "edit/success": "success",
    "edit/success_strict": "strict",
    "outside_codec/l1": "outside",
    "outside_codec/changed": "changed",
}
SCORES = ("success", "strict")
KNOBS = {  # a sweep's name -> its key, and what it is called
    "lambda_attention": ("model.hold.threshold", "lambda, attention"),
    "lambda_posterior": ("model.hold.threshold", "lambda, posterior"),
    "peak": ("model.hold.peak", "peak of hysteresis"),
    "draws": ("sampler.draw_temperature", "temperature of draws"),
    "guidance": ("sampler.guidance_scale", "guidance"),
}
AS_FINISHED = "as finished"
COMPARED = {
    "posterior": AS_FINISHED,
    "none": "hold off",
    "posterior_hysteresis": "hysteresis",
}  # of conf/hold_setup
# lambda, semantic score and L1 of the released editor, from the paper's page
PUBLISHED = np.array(
    [
        [0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7],
        [5.70, 5.82, 5.91, 5.30, 4.32, 2.70, 2.66],
        [0.090, 0.075, 0.070, 0.057, 0.052, 0.020, 0.005],
    ]
)


def collect(sweeps: Sequence[Path]) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """Return the rows of the knobs' sweeps with knob and value, and those of the others with what their settings go by."""
    knobs, compared = [], []
    for sweep in sweeps:
        for cell in SweepDirectory(sweep).finished():
            rows, config = cell.samples(), cell.config()
            assert (rows["status"] == "ok").all(), "every edit counts"
            rows = rows.rename(columns=COLUMNS)[[*COLUMNS.values()]]
            knob = str(config["name"])
            if knob in KNOBS:
                value: Any = reduce(dict.__getitem__, KNOBS[knob][0].split("."), config)
                knobs.append(rows.assign(knob=knob, value=float(value)))
            elif config["hold_setup"] in COMPARED:
                guidance = config["sampler"]["guidance_scale"]
                label = COMPARED[config["hold_setup"]] if guidance is None else f"guidance {guidance:g}"
                compared.append(rows.assign(settings=label))
    dev = pandas.concat(knobs).drop(columns="seed").sort_values(["knob", "value", "sample_id"])
    return dev, pandas.concat(compared).sort_values(["settings", "seed", "sample_id"])


def draw(rows: pandas.DataFrame) -> plt.Figure:
    """Return the figure: above success and strict success with exact 95% intervals, below damage outside, for each knob."""
    figure, axes = plt.subplots(2, 1 + len(KNOBS), figsize=(15, 4.6), sharex="col", layout="constrained")
    for axis, label, values in zip(axes[:, 0], ("semantic score", "L1"), PUBLISHED[1:], strict=True):
        axis.plot(PUBLISHED[0], values, marker="s", color="grey")
        axis.set(ylabel=f"released editor: {label}")
    axes[0, 0].set_title("lambda, as published")
    for (above, below), (knob, (_, label)) in zip(axes.T[1:], KNOBS.items(), strict=True):
        cells = rows[rows["knob"] == knob].groupby("value")
        for score in SCORES:
            means, errors = points(cells[score])
            above.errorbar(
                means.index, means, yerr=errors, marker="o", elinewidth=0.7, capsize=2, label=score
            )
        below.plot(cells["outside"].mean(), marker="o", color="tab:red")
        above.set(title=label, ylim=(0, 1))
        below.set_ylim(0, None)
    axes[0, 1].set_ylabel(f"edits, {rows['sample_id'].nunique()} dev scenes")
    axes[0, 1].legend()
    axes[1, 1].set_ylabel("L1 outside beyond the codec")
    for axis in axes.flat:
        axis.grid(alpha=0.3)
    return figure


def knobs_table(rows: pandas.DataFrame) -> str:
    """Return Markdown: a line for each value of each knob."""
    head = (
        "knob",
        "value",
        "success [95%] ↑",
        "strict [95%] ↑",
        "restraint ↑",
        "outside L1 beyond the codec ↓",
    )
    lines = []
    for knob, (_, label) in KNOBS.items():
        for value, own in rows[rows["knob"] == knob].groupby("value"):
            restraint = (own["changed"].dropna() <= UNTOUCHED).mean()
            rates, outside = (rate(own[score]) for score in SCORES), own["outside"].mean()
            lines.append([label, f"{value:g}", *rates, f"{restraint:.3f}", f"{outside:.4f}"])
    return markdown(head, lines)


def compared_table(rows: pandas.DataFrame) -> str:
    """Return Markdown: a line for each of the settings, with paired differences from the editor as finished, over seeds of noise."""
    scores = {**dict.fromkeys(SCORES, 3), "outside": 4}
    lines = []
    for name in sorted(rows["settings"].unique(), key=lambda name: (name != AS_FINISHED, name)):
        own, cells = rows[rows["settings"] == name], []
        for score, digits in scores.items():
            text = f"{own[score].mean():.{digits}f}"
            if name != AS_FINISHED:
                text += f" ({difference(rows, score, 'settings', name, AS_FINISHED, digits)})"
            cells.append(text)
        restraint = (own["changed"].dropna() <= UNTOUCHED).mean()
        lines.append([name, *cells, f"{restraint:.3f}"])
    return markdown(
        ["settings", "success ↑", "strict ↑", "outside L1 beyond the codec ↓", "restraint ↑"], lines
    )


if __name__ == "__main__":
    if sys.argv[1:]:
        dev, test = collect([Path(name) for name in sys.argv[1:]])
        dev.round(5).to_csv(HERE / "dev.csv", index=False)
        test.round(5).to_csv(HERE / "test.csv", index=False)
    dev, test = (pandas.read_csv(HERE / name) for name in ("dev.csv", "test.csv"))
    draw(dev).savefig(HERE / "curves.png", dpi=100)
    print(compared_table(test), end="\n\n")
    print(knobs_table(dev), end="")
