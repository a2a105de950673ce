"""The table of a study of ways to edit, from its ``samples.csv``: ``python experiments/table.py STUDY``.

With directories of sweeps as further arguments, ``samples.csv`` is first made anew from their rows.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas
from tell import difference, markdown, rate

from editmgt.metrics import UNTOUCHED
from editmgt.results import RunDirectory, SweepDirectory

HERE = Path(__file__).parent
RATES = ["edit/success", "edit/success_strict", "outside_codec/changed"]
MEANS = {  # study -> metric -> heading and digits
    "calibrated": {
        "outside_codec/l1": ("outside L1 beyond the codec ↓", 4),
        "localization/held": ("tokens held", 3),
    },
    "hold_rules": {
        "outside_codec/l1": ("outside L1 beyond the codec ↓", 4),
        "localization/auc": ("map AUC ↑", 3),
        "localization/iou_best": ("best IoU ↑", 3),
    },
    "lessons": {"localization/auc": ("map AUC ↑", 3)},
    "robustness": {"localization/auc": ("map AUC ↑", 3)},
    "source_once": {
        "outside_codec/l1": ("outside L1 beyond the codec ↓", 4),
        "localization/auc": ("map AUC ↑", 3),
    },
    "speed": {
        "outside_codec/l1": ("outside L1 beyond the codec ↓", 4),
        "speed/edit_seconds": ("seconds an edit ↓", 3),
    },
}
CELLS: dict[str, Callable[[dict[str, Any]], str]] = {  # study -> what a cell of more than one factor goes by
    "calibrated": lambda config: "{localization[source]} under {hold[threshold]}, {hold[when]}".format(
        **config["model"]
    ),
    "lessons": lambda config: f"{config['benchmark']['name']}, {Path(config['checkpoint']).name}",
    "robustness": lambda config: config["benchmark"]["name"],
    "source_once": lambda config: f"{config['checkpoint']}, {config['model']['reference_attends']}",
}
CONTROLS = {"oracle_mask": "control: oracle mask", "codec_target": "control: codec of the target"}
# study -> the study and cell that its cells are compared with
BASELINES = {"calibrated": ("hold_rules", "none")}


def collect(sweeps: Sequence[Path], study: str) -> pandas.DataFrame:
    """Return the rows of all cells and of two controls, in one table; a cell goes by the value of the one factor."""
    runs = {_cell(run, study): run for sweep in sweeps for run in SweepDirectory(sweep).finished()}
    controls = {name: SweepDirectory(sweeps[0]).reference().control(name) for name in CONTROLS}
    runs |= {name: run for name, run in controls.items() if run.has_metrics()}
    tables = {name: run.samples() for name, run in runs.items()}
    for table in tables.values():
        assert (table["status"] == "ok").all(), "every edit counts"
    rows = pandas.concat(tables, names=["cell"]).reset_index("cell")
    return rows.reindex(columns=["cell", "sample_id", "edit_type", *RATES, *MEANS[study]]).round(5)


def _cell(run: RunDirectory, study: str) -> str:
    """What a cell goes by: the value of the one factor, or what ``CELLS`` says."""
    name = CELLS.get(study)
    return run.path.name.partition("-")[2] if name is None else name(run.config())


def table(rows: pandas.DataFrame, study: str) -> str:
    """Return Markdown: rates with exact 95% intervals, means, a line for each cell."""
    means = MEANS[study]
    headings = [
        study.partition("_")[0],
        *(f"{name} [95%] ↑" for name in ("success", "strict", "restraint")),
    ]
    headings += [heading for heading, _ in means.values()]
    lines = []
    for cell, own in sorted(rows.groupby("cell"), key=lambda pair: (pair[0] in CONTROLS, pair[0])):
        changed = own["outside_codec/changed"].dropna()
        lines.append(
            [
                CONTROLS.get(str(cell), f"`{cell}`"),
                rate(own["edit/success"]),
                rate(own["edit/success_strict"]),
                rate(changed <= UNTOUCHED),
                *(
                    f"{own[name].mean():.{digits}f}" if own[name].notna().any() else ""
                    for name, (_, digits) in means.items()
                ),
            ]
        )
    return markdown(headings, lines)


def compared(rows: pandas.DataFrame, study: str) -> str:
    """Return Markdown: what each cell has more than the study's baseline, paired over samples."""
    other, cell = BASELINES[study]
    baseline = pandas.read_csv(HERE / other / "samples.csv").query("cell == @cell")
    lines = []
    for name, own in rows[~rows["cell"].isin(CONTROLS)].groupby("cell"):
        both = pandas.concat([own, baseline]).assign(seed=0)
        changed = both["outside_codec/changed"]
        both["restraint"] = (changed <= UNTOUCHED).astype(float).where(changed.notna())
        scores = {"edit/success": 3, "edit/success_strict": 3, "restraint": 3, "outside_codec/l1": 4}
        lines.append(
            [
                f"`{name}`",
                *(difference(both, score, "cell", str(name), cell, n) for score, n in scores.items()),
            ]
        )
    headings = ["success ↑", "strict ↑", "restraint ↑", "outside L1 beyond the codec ↓"]
    return markdown([f"less `{cell}`", *(f"{heading} [95%]" for heading in headings)], lines)


if __name__ == "__main__":
    study, *sweeps = sys.argv[1:]
    if sweeps:
        collect([Path(sweep) for sweep in sweeps], study).to_csv(HERE / study / "samples.csv", index=False)
    rows = pandas.read_csv(HERE / study / "samples.csv")
    print(table(rows, study), end="")
    if study in BASELINES:
        print(f"\n{compared(rows, study)}", end="")
