"""Draw the tables of offline W&B runs, from their folders alone, and photograph them.

    python evaluate.py -m model.region_hold=true,false benchmark.size=8 hydra.sweep.dir=outputs/sweeps/pictures
    python scripts/screenshots/wandb.py outputs/sweeps/pictures/*/wandb/offline-run-* outputs/sweeps/pictures/wandb/offline-run-*

Runs with a table of samples are joined by ``sample_id``, as W&B joins the tables of a group: ``docs/pictures/wandb_cells.png``.
A summary run's effects and figures become ``docs/pictures/wandb_summary.png``. No server is asked.
"""

import base64
import html
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:1] = [
    str(ROOT / "tests"),
    str(ROOT / "tests" / "studies"),
]  # in its own folder this file is named wandb

from browser import chromium  # noqa: E402
from offline_runs import logged, read_offline, run_record, tables  # noqa: E402

OUT = ROOT / "docs" / "pictures"
ROWS = 5  # samples on the picture
SCORES = ("edit/success", "outside/l1")
EFFECTS = ("effect", "metric", "direction", "estimate", "low", "high", "p_corrected", "verdict", "n")
STYLE = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 16px; color: #1c1c20 }
table { border-collapse: collapse; margin-bottom: 16px } th, td { border: 1px solid #d5d5da; padding: 4px 8px; text-align: left }
th { background: #f2f2f5 } td img { width: 84px; height: 84px; object-fit: contain; image-rendering: pixelated; display: block }
figure { display: inline-block; margin: 0 16px 8px 0 } figure img { max-height: 260px; max-width: 1230px }
"""


def _cell(value: Any) -> str:
    if isinstance(value, Path):
        return f'<img alt="" src="{_address(value)}">'
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else html.escape(str(value))


def _address(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


def _table(columns: list[str], rows: list[list[Any]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _records(folder: Path, key: str) -> list[dict[str, Any]]:
    columns, rows = tables(folder)[key]
    return [dict(zip(columns, row, strict=True)) for row in rows]


def cells_page(folders: dict[str, Path]) -> str:
    """The cells' tables of samples, joined: a row for each sample with what every cell made of it."""
    found = {
        name: {row["sample_id"]: row for row in _records(path, "samples_table")}
        for name, path in folders.items()
    }
    first = next(iter(found.values()))
    shared = ["sample_id", "instruction", "source", "target"]
    own = ["edited", "map", *SCORES]
    columns = [*shared, *(f"{name}: {column}" for name in found for column in own)]
    rows = [
        [
            *(row[column] for column in shared),
            *(cell[key][column] for cell in found.values() for column in own),
        ]
        for key, row in list(first.items())[:ROWS]
    ]
    return f"<h1>samples_table of {len(found)} runs, joined by sample_id</h1>{_table(columns, rows)}"


def summary_page(folder: Path) -> str:
    """A summary run's effects on what the study is about, and its figures."""
    rows = [[row[column] for column in EFFECTS] for row in _records(folder, "report/effects")]
    values = logged(read_offline(next(folder.glob("*.wandb"))))
    figures = [
        f'<figure><figcaption>{html.escape(key)}</figcaption><img alt="" src="{_address(folder / "files" / value["path"])}"></figure>'
        for key, value in values.items()
        if isinstance(value, dict) and value.get("_type") == "image-file"
    ]
    return f"<h1>report/effects</h1>{_table([*EFFECTS], rows[:8])}{''.join(figures)}"


def main(folders: list[Path]) -> None:
    """Write the pictures of what the runs hold."""
    runs = {path: run_record(read_offline(next(path.glob("*.wandb")))) for path in folders}
    cells = {run.display_name: path for path, run in runs.items() if run.job_type == "cell"}
    pages = {"wandb_cells": cells_page(cells)} if cells else {}
    for path, run in runs.items():
        if run.job_type == "summary":
            pages["wandb_summary"] = summary_page(path)
    OUT.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for name, body in pages.items():
            page = browser.new_page(viewport={"width": 1280, "height": 600})
            page.set_content(f"<!doctype html><html lang=en><style>{STYLE}</style>{body}</html>")
            page.screenshot(path=OUT / f"{name}.png", full_page=True)
            print(OUT / f"{name}.png")


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
