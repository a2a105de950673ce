"""Tell what decides how well new kinds of edit are learnt: ``summary.csv`` and ``before.csv``, and three reports' ``effects.csv``.

Prints the means and the effects, draws ``learned.png``. ``effects.csv`` is of both seeds' trainings, so that its intervals are over
trainings, too; ``effects_0.csv`` and ``effects_1.csv`` are of one seed's each, and speak of these weights alone.
"""

from pathlib import Path
from typing import Any

import pandas
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from tell import markdown, p_value

HERE = Path(__file__).parent / "data_or_architecture"
MEANS = {  # metric -> heading, digits
    "edit/success": ("success ↑", 3),
    "edit/success_strict": ("strict ↑", 3),
    "outside_codec/changed": ("changed outside ↓", 3),
    "localization/auc": ("map AUC ↑", 3),
}
EFFECTS = ["edit/success", "edit/success_strict"]
EDITORS = {"before/tiny_editor": "injection", "before/tiny_editor_input": "input"}
NAMES = {"data.": "", "init_from: before/tiny_editor → before/tiny_editor_input": "injection → input"}


def trainings(rows: pandas.DataFrame, before: pandas.DataFrame) -> str:
    """Return Markdown: a line for each editor before, then for each setting the mean of its trainings, and each of them."""
    lines = [[f"{EDITORS[str(editor)]}, before", *_means(own)] for editor, own in before.groupby("init_from")]
    for (editor, pairs, wrong), own in rows.groupby(["init_from", "data.train_size", "data.wrong_pairs"]):
        lines.append([f"{EDITORS[editor]}, {pairs:,.0f} pairs, {wrong:.0%} of them wrong", *_means(own)])
    return markdown(["", *(heading for heading, _ in MEANS.values())], lines)


def _means(rows: pandas.DataFrame) -> list[str]:
    return [_mean(rows[metric], digits) for metric, (_, digits) in MEANS.items()]


def _mean(values: pandas.Series, digits: int) -> str:
    each = ", ".join(f"{value:.{digits}f}" for value in values)
    return each if len(values) == 1 else f"{values.mean():.{digits}f} ({each})"


def effects(both: pandas.DataFrame, *each: pandas.DataFrame) -> str:
    """Return Markdown: main effects and interactions of both seeds' trainings, and of each seed's."""
    keys = ["family", "effect", "metric"]
    alone = [rows.set_index(keys) for rows in each]
    rows = both[(both["family"] == "effects") & both["metric"].isin(EFFECTS)]
    lines = []
    for row in rows.itertuples():
        name = row.effect
        for long, short in NAMES.items():
            name = name.replace(long, short)
        of_each = [_estimate(seed.loc[(row.family, row.effect, row.metric)]) for seed in alone]
        lines.append([name, row.metric, _estimate(row), p_value(row.p_corrected), *of_each])
    heads = [
        "effect",
        "metric",
        "estimate [95%]",
        "corrected p",
        *(f"seed {seed}'s weights" for seed in range(len(each))),
    ]
    return markdown(heads, lines, texts=2)


def _estimate(row: Any) -> str:
    return f"{row.estimate:+.3f} [{row.low:+.3f}, {row.high:+.3f}]"


def draw(rows: pandas.DataFrame, before: pandas.DataFrame) -> Figure:
    """Draw success by the number of pairs, a line for each editor and share of wrong ones, a dot for each training."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for (editor, wrong), own in rows.groupby(["init_from", "data.wrong_pairs"]):
        color = "#0072B2" if EDITORS[editor] == "injection" else "#D55E00"
        means = own.groupby("data.train_size")["edit/success"].mean()
        style = "--" if wrong else "-"
        axes.plot(means.index, means, style, color=color, label=f"{EDITORS[editor]}, {wrong:.0%} wrong")
        axes.plot(own["data.train_size"], own["edit/success"], "o", color=color, markersize=4)
    for editor, success in zip(before["init_from"], before["edit/success"], strict=True):
        color = "#0072B2" if EDITORS[editor] == "injection" else "#D55E00"
        axes.axhline(success, color=color, linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    sizes = sorted(rows["data.train_size"].unique())
    axes.set_xticks(sizes, [f"{size:,.0f}" for size in sizes], minor=False)
    axes.minorticks_off()
    axes.set_xlabel("pairs to learn from (150 steps of 32); dotted: before")
    axes.set_ylabel("success on new phrasings")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    summary = pandas.read_csv(HERE / "summary.csv")
    cells, before = summary[summary["kind"] == "cell"], pandas.read_csv(HERE / "before.csv")
    reports = [pandas.read_csv(HERE / f"effects{seed}.csv") for seed in ("", "_0", "_1")]
    print(trainings(cells, before), effects(*reports), sep="\n\n", end="")
    FigureCanvasAgg(draw(cells, before)).print_png(HERE / "learned.png")
