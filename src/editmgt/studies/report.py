"""The table that a run or a sweep ends with, on the terminal and in ``report/``, from the stored rows alone."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from editmgt.benchmarks import published
from editmgt.files import read_json, write_atomic
from editmgt.metrics.registry import REGISTRY
from editmgt.studies.plan import Plan, read_plan

COLUMNS = (
    "edit/success",
    "edit/success_strict",
    "inside/l1",
    "outside/l1",
    "outside_codec/l1",
    "whole/psnr",
    "localization/auc",
    "localization/iou_best",
    "speed/edit_seconds",
)
_ARROWS = {"higher": " ↑", "lower": " ↓", "neither": ""}
_CONTROLS = {
    "copy_source": "control: copy source",
    "codec_source": "control: codec round trip of source",
    "codec_target": "control: codec round trip of target",
    "oracle_mask": "control: oracle mask",
}


@dataclass(frozen=True)
class Line:
    """A row of the table.

    Attributes:
        name: of the cell, the shipped editor or the control.
        kind: ``cell``, ``reference`` or ``control``.
        directory: of its rows.
        status: what its ``status.json`` says.
        metrics: what its ``metrics.json`` says; empty for a failed cell.
    """

    name: str
    kind: str
    directory: Path
    status: dict[str, Any]
    metrics: dict[str, float]

    @property
    def state(self) -> str:
        """How it ended; what never started is ``missing``."""
        return str(self.status.get("state", "missing"))


def build(directory: Path, console: Console | None = None) -> list[Line]:
    """Print the table, write ``summary.csv`` and ``report.md`` to ``directory/report``; returns the rows.

    Raises:
        UserError: where ``directory`` holds neither a run nor a sweep.
    """
    plan = read_plan(directory)
    lines = collect(plan)
    notes = _notes(plan, lines) + _published(plan)
    # a file has no width: the table should not be folded into one of 80 columns
    console = console or Console(width=None if Console().is_terminal else 160)
    console.print(_table(lines))
    for note in notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    write_atomic(directory / "report" / "summary.csv", _summary(lines))
    write_atomic(directory / "report" / "report.md", _markdown(plan, lines, notes))
    return lines


def collect(plan: Plan) -> list[Line]:
    """Read every cell of the plan, then the references."""
    lines = []
    for name in plan.cells:
        cell = plan.cell_directory(name)
        lines.append(_line(name or plan.directory.name, "cell", cell, cell))
    reference = plan.directory / "reference"
    for shipped in sorted(reference.glob("**/tiny_editor")):
        if (shipped / "metrics.json").is_file():
            lines.append(
                _line(f"tiny_editor (shipped){_of(shipped, reference)}", "reference", shipped, shipped)
            )
    for controls in sorted(reference.glob("**/controls")):
        for folder, title in _CONTROLS.items():
            if (controls / folder / "metrics.json").is_file():
                name = f"{title}{_of(controls, reference)}"
                lines.append(_line(name, "control", controls / folder, controls))
    return lines


def _of(directory: Path, reference: Path) -> str:
    """Which benchmark a reference is of, where the sweep has several."""
    return "" if directory.parent == reference else f", {directory.parent.name}"


def _line(name: str, kind: str, directory: Path, status_directory: Path) -> Line:
    status = _read(status_directory / "status.json")
    metrics = _read(directory / "metrics.json") if status.get("state") == "done" else {}
    return Line(name, kind, directory, status, metrics)


def _read(path: Path) -> dict[str, Any]:
    """A JSON object; what is absent or broken is an empty one: a report tells what can be told."""
    try:
        values = read_json(path)
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _value(line: Line, name: str) -> str:
    if name not in line.metrics:
        return "" if line.state == "done" else "-"
    undefined = line.metrics.get(f"{name}/undefined", 0)
    count = f" (n={line.metrics['n'] - undefined:g})" if undefined else ""
    digits = 1 if REGISTRY[name].unit == "dB" else 3
    return f"{line.metrics[name]:.{digits}f}{count}"


def _count(line: Line) -> str:
    if line.state != "done":
        return line.state
    failed = line.metrics.get("failed", 0)
    return f"{line.metrics.get('n', 0):g}" + (f" ({failed:g} failed)" if failed else "")


def _header(name: str) -> str:
    return f"{name}{_ARROWS[REGISTRY[name].direction]}"


def _table(lines: Sequence[Line]) -> Table:
    table = Table(title=None, header_style="bold")
    table.add_column("", overflow="fold")
    for name in COLUMNS:
        group, _, rest = _header(name).partition("/")
        table.add_column(f"{group}\n{rest}", justify="right")
    table.add_column("n", justify="right")
    for index, line in enumerate(lines):
        style = "red" if line.state != "done" else "dim" if line.kind == "control" else ""
        last_of_kind = index + 1 < len(lines) and lines[index + 1].kind != line.kind
        cells = [line.name.replace("__", "\n"), *(_value(line, name) for name in COLUMNS), _count(line)]
        table.add_row(*cells, style=style, end_section=last_of_kind)
    return table


def _notes(plan: Plan, lines: Sequence[Line]) -> list[str]:
    """Lines under the table: what failed, and what each training learned."""
    notes = [
        f"{line.name} {line.state}: {line.status.get('error') or 'it did not run to its end'}"
        for line in lines
        if line.kind == "cell" and line.state != "done"
    ]
    seen = set()
    for line in lines:
        progress = _read(line.directory / "progress.json")
        training = line.status.get("training_fingerprint")
        before, after = progress.get("before", {}), progress.get("after", {})
        if line.kind != "cell" or training in seen or not after:
            continue
        seen.add(training)
        changes = ", ".join(
            f"{name} {before[name]:.3f} -> {after[name]:.3f}" for name in after if name in before
        )
        notes.append(f"training {training}, before -> after: {changes}")
    return notes


def _published(plan: Plan) -> list[str]:
    """What others published for the benchmarks of the plan's cells."""
    names = []
    for name in plan.cells:
        path = plan.cell_directory(name) / "config.yaml"
        if path.is_file():
            names.append(yaml.safe_load(path.read_text())["benchmark"]["name"])
    return [note for name in dict.fromkeys(names) for note in published.notes(name)]


def _summary(lines: Sequence[Line]) -> str:
    names = list(dict.fromkeys(name for line in lines for name in line.metrics))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    fingerprints = ("training_fingerprint", "protocol_fingerprint")
    writer.writerow(["cell", "kind", "state", "error", *fingerprints, *names])
    for line in lines:
        stored = [line.status.get(key) or "" for key in ("error", *fingerprints)]
        writer.writerow(
            [
                line.name,
                line.kind,
                line.state,
                *stored,
                *(repr(line.metrics[n]) if n in line.metrics else "" for n in names),
            ]
        )
    return text.getvalue()


def _markdown(plan: Plan, lines: Sequence[Line], notes: Sequence[str]) -> str:
    header = ["", *map(_header, COLUMNS), "n"]
    rows = [[line.name, *(_value(line, name) for name in COLUMNS), _count(line)] for line in lines]
    table = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    text = [f"# {plan.directory.name}", ""]
    text += ["| " + " | ".join(row) + " |" for row in table]
    text += ["", "↑ higher is better, ↓ lower is better. n: samples scored; a mean over fewer says how many."]
    text += [f"\n{note}" for note in notes]
    text += ["", "## What the columns are", ""]
    text += [f"- `{name}` [{REGISTRY[name].unit}]: {REGISTRY[name].description}" for name in COLUMNS]
    text += ["", "## Pictures", "", "Source, instruction, target, edited, attention map, held cells."]
    for line in lines:
        if line.metrics and (line.directory / "samples.png").is_file():
            relative = (line.directory / "samples.png").relative_to(plan.directory)
            text += ["", f"### {line.name}", "", f"![{line.name}](../{relative.as_posix()})"]
    return "\n".join(text) + "\n"
