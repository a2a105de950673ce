"""The table of this study from ``samples.csv``: ``python experiments/hold_rules/table.py``.

With a sweep's directory as argument, ``samples.csv`` is first made anew from its rows.
"""

import sys
from pathlib import Path

import pandas

from editmgt.evaluation.robustness import rate
from editmgt.metrics import UNTOUCHED

HERE = Path(__file__).parent
METRICS = [
    "edit/success",
    "edit/success_strict",
    "outside_codec/changed",
    "outside_codec/l1",
    "localization/auc",
    "localization/iou_best",
]
PREFIX = "hold_setup-"  # of the names of the sweep's cells
CONTROLS = {"oracle_mask": "control: oracle mask", "codec_target": "control: codec of the target"}


def collect(sweep: Path) -> pandas.DataFrame:
    """Return the rows of all cells and of two controls, in one table."""
    folders = {
        path.parent.name.removeprefix(PREFIX): path for path in sorted(sweep.glob(f"{PREFIX}*/samples.csv"))
    }
    folders |= {name: sweep / "reference" / "controls" / name / "samples.csv" for name in CONTROLS}
    tables = {name: pandas.read_csv(path) for name, path in folders.items()}
    for table in tables.values():
        assert (table["status"] == "ok").all(), "every edit counts"
    rows = pandas.concat(tables, names=["hold"]).reset_index("hold")
    return rows.reindex(columns=["hold", "sample_id", "edit_type", *METRICS]).round(5)


def table(rows: pandas.DataFrame) -> str:
    """Return Markdown: rates with exact 95% intervals, means, a line for each way to hold."""
    lines = [
        "| hold | success [95%] ↑ | strict [95%] ↑ | restraint [95%] ↑ | outside L1 beyond the codec ↓ | map AUC ↑ | best IoU ↑ |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for hold, own in sorted(rows.groupby("hold"), key=lambda pair: (pair[0] in CONTROLS, pair[0])):
        changed = own["outside_codec/changed"].dropna()
        cells = [
            CONTROLS.get(str(hold), f"`{hold}`"),
            rate(own["edit/success"]),
            rate(own["edit/success_strict"]),
            rate(changed <= UNTOUCHED),
            f"{own['outside_codec/l1'].mean():.4f}",
            *(f"{own[name].mean():.3f}" if own[name].notna().any() else "" for name in METRICS[-2:]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        collect(Path(sys.argv[1])).to_csv(HERE / "samples.csv", index=False)
    print(table(pandas.read_csv(HERE / "samples.csv")), end="")
