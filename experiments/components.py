"""The tables of the three parts: ``python experiments/components.py``, from ``summary.csv`` and ``effects.csv`` of two sweeps.

One is of the shipped editors, the other, in ``trainings/``, of three more trainings of each.
"""

from pathlib import Path

import pandas
from tell import markdown, p_value

HERE = Path(__file__).parent / "miniature"
MEANS = {  # metric -> heading, digits
    "edit/success": ("success ↑", 3),
    "edit/success_strict": ("strict ↑", 3),
    "inside/l1": ("inside L1 ↓", 3),
    "outside_codec/l1": ("outside L1 beyond the codec ↓", 4),
    "whole/psnr": ("PSNR ↑", 1),
    "localization/auc": ("map AUC ↑", 3),
    "localization/iou_best": ("best IoU ↑", 3),
}
HEAD = ["", *(heading for heading, _ in MEANS.values())]
EFFECTS = ["edit/success", "edit/success_strict", "outside_codec/l1", "localization/auc"]
INJECTED = "tiny_editor"  # what the trainings with attention injection began from
SWITCHES = {"model.consolidation": "consolidation", "model.region_hold": "hold"}


def cells(rows: pandas.DataFrame) -> str:
    """Return Markdown: a line for each cell and control, its means."""
    lines = []
    for _, row in rows.iterrows():
        means = ["" if pandas.isna(row[m]) else f"{row[m]:.{digits}f}" for m, (_, digits) in MEANS.items()]
        lines.append([_name(row["cell"]), *means])
    return markdown(HEAD, lines)


def trainings(rows: pandas.DataFrame) -> str:
    """Return Markdown: a line for each configuration, the mean over its trainings and the lowest and highest of them."""
    rows = rows[rows["kind"] == "cell"]
    lines = []
    for (editor, consolidation, hold), own in rows.groupby(["init_from", *SWITCHES], sort=False):
        kind = "injection" if editor == INJECTED else "input"
        name = f"{kind}, consolidation {_on(consolidation)}, hold {_on(hold)} ({len(own)} trainings)"
        spread = (
            f"{own[m].mean():.{digits}f} ({own[m].min():.{digits}f} to {own[m].max():.{digits}f})"
            for m, (_, digits) in MEANS.items()
        )
        lines.append([name, *spread])
    return markdown(HEAD, lines)


def _on(switch: bool) -> str:
    return "on" if switch else "off"


def types(rows: pandas.DataFrame) -> str:
    """Return Markdown: success and strict success of each edit type."""
    kinds = [name[len("edit/success[") : -1] for name in rows if name.startswith("edit/success[")]
    edited = rows[rows["n[add]"].notna() & (rows["edit/success"] > 0)]
    lines = []
    for _, row in edited.iterrows():
        both = (f"{row[f'edit/success[{k}]']:.2f} / {row[f'edit/success_strict[{k}]']:.2f}" for k in kinds)
        lines.append([_name(row["cell"]), *both])
    counts = (f"{kind} (n={rows[f'n[{kind}]'].max():.0f})" for kind in kinds)
    return markdown(["success / strict", *counts], lines)


def effects(rows: pandas.DataFrame) -> str:
    """Return Markdown: main effects and interactions."""
    rows = rows[(rows["family"] == "effects") & rows["metric"].isin(EFFECTS)]
    lines = []
    for row in rows.itertuples():
        digits = 4 if row.metric == "outside_codec/l1" else 3
        numbers = "{:+.{d}f} [{:.{d}f}, {:.{d}f}]".format(row.estimate, row.low, row.high, d=digits)
        name = row.effect.replace("model.", "").replace(" | region_hold=true", " (hold on)")
        lines.append([name, row.metric, numbers, p_value(row.p_corrected), row.verdict, str(row.n)])
    return markdown(["effect", "metric", "estimate [95%]", "corrected p", "says", "n"], lines)


def _name(cell: str) -> str:
    """A cell by its settings, a control as it is called."""
    checkpoint, *switches = cell.removeprefix("checkpoint-").split("__")
    on = {name.rpartition("-")[0]: "on" if name.endswith("true") else "off" for name in switches}
    named = ", ".join(f"{label} {on[key.removeprefix('model.')]}" for key, label in SWITCHES.items() if on)
    return f"{checkpoint}, {named}" if on else cell


if __name__ == "__main__":
    summary = pandas.read_csv(HERE / "summary.csv")
    shipped = [cells(summary), types(summary), effects(pandas.read_csv(HERE / "effects.csv"))]
    again = HERE / "trainings"
    more = [
        trainings(pandas.read_csv(again / "summary.csv")),
        effects(pandas.read_csv(again / "effects.csv")),
    ]
    print(*shipped, *more, sep="\n\n", end="")
