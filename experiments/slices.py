"""Draws ``slices.png`` from ``samples.csv``, what the editors do before and after: ``python experiments/slices.py``."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas
from tell import points

HERE = Path(__file__).parent / "lessons"
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


if __name__ == "__main__":
    draw(pandas.read_csv(HERE / "samples.csv")).savefig(HERE / "slices.png", dpi=100)
