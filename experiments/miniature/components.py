"""The tables of the three parts: ``python experiments/miniature/components.py``, from ``summary.csv`` and ``effects.csv`` of two sweeps.

One is of the shipped editors, the other, in ``trainings/``, of three more trainings of each.
"""

from collections.abc import Iterable
from pathlib import Path

import pandas

HERE = Path(__file__).parent
MEANS = {  # metric -> heading, digits
    "edit/success": ("success ↑", 3),
    "edit/success_strict": ("strict ↑", 3),
    "inside/l1": ("inside L1 ↓", 3),
    "outside_codec/l1": ("outside L1 beyond the codec ↓", 4),
    "whole/psnr": ("PSNR ↑", 1),
    "localization/auc": ("map AUC ↑", 3),
    "localization/iou_best": ("best IoU ↑", 3),
}
EFFECTS = ["edit/success", "edit/success_strict", "outside_codec/l1", "localization/auc"]
INJECTED = "tiny_editor"  # what the trainings with attention injection began from
SWITCHES = {"model.consolidation": "consolidation", "model.region_hold": "hold"}


def cells(rows: pandas.DataFrame) -> str:
    """Return Markdown: a line for each cell and control, its means."""
    lines = [[heading for heading, _ in MEANS.values()]]
    for _, row in rows.iterrows():
        lines.append(
            ["" if pandas.isna(row[m]) else f"{row[m]:.{digits}f}" for m, (_, digits) in MEANS.items()]
        )
    return _markdown(["", *map(_name, rows["cell"])], lines)


def trainings(rows: pandas.DataFrame) -> str:
    """Return Markdown: a line for each configuration, the mean over its trainings and the lowest and highest of them."""
    rows = rows[rows["kind"] == "cell"]
    lines, names = [[heading for heading, _ in MEANS.values()]], [""]
    for (editor, consolidation, hold), own in rows.groupby(["init_from", *SWITCHES], sort=False):
        kind = "injection" if editor == INJECTED else "input"
        names.append(f"{kind}, consolidation {_on(consolidation)}, hold {_on(hold)} ({len(own)} trainings)")
        lines.append(
            [
                f"{own[m].mean():.{digits}f} ({own[m].min():.{digits}f} to {own[m].max():.{digits}f})"
                for m, (_, digits) in MEANS.items()
            ]
        )
    return _markdown(names, lines)


def _on(switch: bool) -> str:
    return "on" if switch else "off"


def types(rows: pandas.DataFrame) -> str:
    """Return Markdown: success and strict success of each edit type."""
    kinds = [name[len("edit/success[") : -1] for name in rows if name.startswith("edit/success[")]
    edited = rows[rows["n[add]"].notna() & (rows["edit/success"] > 0)]
    lines = [[f"{kind} (n={rows[f'n[{kind}]'].max():.0f})" for kind in kinds]]
    for _, row in edited.iterrows():
        lines.append(
            [f"{row[f'edit/success[{k}]']:.2f} / {row[f'edit/success_strict[{k}]']:.2f}" for k in kinds]
        )
    return _markdown(["success / strict", *map(_name, edited["cell"])], lines)


def effects(rows: pandas.DataFrame) -> str:
    """Return Markdown: main effects and interactions."""
    rows = rows[(rows["family"] == "effects") & rows["metric"].isin(EFFECTS)]
    lines = [["metric", "estimate [95%]", "corrected p", "says", "n"]]
    for row in rows.itertuples():
        digits = 4 if row.metric == "outside_codec/l1" else 3
        numbers = "{:+.{d}f} [{:.{d}f}, {:.{d}f}]".format(row.estimate, row.low, row.high, d=digits)
        p = "< .001" if row.p_corrected < 0.001 else f"{row.p_corrected:.3f}"
        lines.append([row.metric, numbers, p, row.verdict, str(row.n)])
    return _markdown(["effect", *map(_effect, rows["effect"])], lines)


def _effect(name: str) -> str:
    return name.replace("model.", "").replace(" | region_hold=true", " (hold on)")


def _name(cell: str) -> str:
    """A cell by its settings, a control as it is called."""
    checkpoint, *switches = cell.removeprefix("checkpoint-").split("__")
    on = {name.rpartition("-")[0]: "on" if name.endswith("true") else "off" for name in switches}
    named = ", ".join(f"{label} {on[key.removeprefix('model.')]}" for key, label in SWITCHES.items() if on)
    return f"{checkpoint}, {named}" if on else cell


def _markdown(first: Iterable[str], lines: list[list[str]]) -> str:
    head, *rest = ([name, *line] for name, line in zip(first, lines, strict=True))
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *rest)) + "\n"


if __name__ == "__main__":
    summary = pandas.read_csv(HERE / "summary.csv")
    shipped = [cells(summary), types(summary), effects(pandas.read_csv(HERE / "effects.csv"))]
    again = HERE / "trainings"
    more = [
        trainings(pandas.read_csv(again / "summary.csv")),
        effects(pandas.read_csv(again / "effects.csv")),
    ]
    print(*shipped, *more, sep="\n\n", end="")
