"""What the editors do before and after the lessons: ``python experiments/lessons/slices.py [SWEEP_DIRECTORY ...]``.

Draws ``slices.png`` from ``samples.csv`` and prints the table of ``test.csv``, hold on against hold off, which is first made
anew from the rows of sweeps where those are given.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas

from editmgt.analysis.intervals import difference, points
from editmgt.metrics import UNTOUCHED
from editmgt.results import SweepDirectory

HERE = Path(__file__).parent
SLICES = {  # as they are shown, from the top
    "scenes": "plain edits",
    "scenes_small": "small objects",
    "scenes_overlap": "overlapping objects",
    "scenes_texture": "surfaces",
    "scenes_paraphrase": "unseen phrasings",
    "scenes_multi": "two edits at once",
    "scenes_noop": "nothing to do",
}
EDITORS = {  # directory's name -> label, colour
    "before": ("injection, before", "tab:blue", "none"),
    "after": ("injection, after", "tab:blue", "tab:blue"),
    "before_input": ("input, before", "tab:orange", "none"),
    "after_input": ("input, after", "tab:orange", "tab:orange"),
}
SCORES = {"edit/success": "success", "edit/success_strict": "strict success"}
OUTSIDE, CHANGED = "outside_codec/l1", "outside_codec/changed"


def draw(rows: pandas.DataFrame) -> plt.Figure:
    """Return the figure: a row for each slice, in it a dot with its exact 95% interval for each editor."""
    rows[["slice", "editor"]] = rows["cell"].str.split(", ", expand=True)
    found = [name for name in EDITORS if name in set(rows["editor"])]
    figure, axes = plt.subplots(1, len(SCORES), figsize=(11, 4.2), sharey=True, layout="constrained")
    for axis, (score, title) in zip(axes, SCORES.items(), strict=True):
        for place, name in enumerate(found):
            label, edge, face = EDITORS[name]
            means, errors = points(rows[rows["editor"] == name].groupby("slice")[score])
            means, errors = means[[*SLICES]], [reach[[*SLICES]] for reach in errors]
            heights = [row + 0.16 * (place - (len(found) - 1) / 2) for row in range(len(SLICES))]
            axis.errorbar(
                means,
                heights,
                xerr=errors,
                fmt="o",
                color=edge,
                mfc=face,
                elinewidth=0.8,
                capsize=2,
                label=label,
            )
        axis.set(title=title, xlim=(-0.02, 1.02), yticks=range(len(SLICES)), yticklabels=SLICES.values())
        axis.grid(alpha=0.3)
    axes[0].invert_yaxis()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(found))
    return figure


def collect(sweeps: Sequence[Path]) -> pandas.DataFrame:
    """Return the rows of sweeps over hold and seeds of noise."""
    tables = []
    for sweep in sweeps:
        for cell in SweepDirectory(sweep).finished():
            rows = cell.samples()
            assert (rows["status"] == "ok").all(), "every edit counts"
            rows = rows[["seed", "sample_id", "edit_type", *SCORES, OUTSIDE, CHANGED]]
            tables.append(
                rows.assign(hold="on" if cell.config()["model"]["region_hold"] is not False else "off")
            )
    return pandas.concat(tables).sort_values(["hold", "seed", "sample_id"])


def hold_table(rows: pandas.DataFrame) -> str:
    """Return Markdown: hold on, hold off, and their difference, paired over images and seeds of noise."""
    digits = dict.fromkeys(SCORES, 3) | {OUTSIDE: 4}
    lines = [
        "| hold | success ↑ | strict ↑ | outside L1 beyond the codec ↓ | restraint ↑ |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for hold in ("on", "off"):
        own = rows[rows["hold"] == hold]
        means = [f"{own[score].mean():.{places}f}" for score, places in digits.items()]
        restraint = (own[CHANGED].dropna() <= UNTOUCHED).mean()
        lines.append(f"| {hold} | {' | '.join(means)} | {restraint:.3f} |")
    cells = [difference(rows, score, "hold", "off", "on", places) for score, places in digits.items()]
    return "\n".join([*lines, f"| off - on | {' | '.join(cells)} | |"]) + "\n"


if __name__ == "__main__":
    if sys.argv[1:]:
        collect([Path(name) for name in sys.argv[1:]]).round(5).to_csv(HERE / "test.csv", index=False)
    draw(pandas.read_csv(HERE / "samples.csv")).savefig(HERE / "slices.png", dpi=100)
    print(hold_table(pandas.read_csv(HERE / "test.csv")), end="")
