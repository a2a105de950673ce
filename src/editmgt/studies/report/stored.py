"""What a run or a sweep left on disk, read back; whatever is broken makes its cell a failed one, with a line."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from editmgt.errors import UserError
from editmgt.files import read_json
from editmgt.metrics.registry import REGISTRY
from editmgt.spreadsheet import from_csv
from editmgt.studies.plan import PLAN, read_plan

IDENTITY = ("sample_id", "source_id", "edit_type", "slice", "instruction", "seed", "status", "error")
REFERENCE = "reference"
_CONTROLS = {
    "copy_source": "control: copy source",
    "codec_source": "control: codec round trip of source",
    "codec_target": "control: codec round trip of target",
    "oracle_mask": "control: oracle mask",
}
_OWN = ("tiny_editor", "controls")
_SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where libyaml is there


@dataclass(frozen=True)
class Line:
    """A row of the table.

    Attributes:
        name: of the cell, the shipped editor or the control.
        kind: ``cell``, ``reference`` or ``control``.
        directory: of its rows.
        status: what its ``status.json`` says; what cannot be read is ``failed`` here.
        metrics: what its ``metrics.json`` says; empty for a failed cell.
        config: what its ``config.yaml`` says; empty where there is none.
        overrides: that made the cell, by the plan.
        samples: the rows of its ``samples.csv``; None where nothing was edited.
        unknown: columns that no metric of this version explains.
    """

    name: str
    kind: str
    directory: Path
    status: dict[str, Any]
    metrics: dict[str, float] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    samples: pd.DataFrame | None = None
    unknown: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """How it ended; what never started is ``missing``."""
        return str(self.status.get("state", "missing"))


class _Corrupt(Exception):
    """A stored file that is not what was written."""


def collect(directory: Path) -> list[Line]:
    """Read every cell, then the references; the cells in the plan's order, then those that no plan foresaw.

    Raises:
        UserError: where ``directory`` holds neither a run nor a sweep.
    """
    lines = []
    for name, overrides in _cells(directory).items():
        cell = directory / name
        lines.append(_line(name or directory.name, "cell", cell, cell, overrides))
    reference = directory / REFERENCE
    # a sweep over benchmarks has a folder of references for each
    for folder in (reference, *sorted(path for path in reference.glob("*/") if path.name not in _OWN)):
        of_benchmark = "" if folder == reference else f", {folder.name}"
        shipped, controls = folder / "tiny_editor", folder / "controls"
        if (shipped / "metrics.json").is_file():
            lines.append(_line(f"tiny_editor (shipped){of_benchmark}", "reference", shipped, shipped))
        for control, title in _CONTROLS.items():
            if (controls / control / "metrics.json").is_file():
                lines.append(_line(f"{title}{of_benchmark}", "control", controls / control, controls))
    return lines


def read_samples(path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return a ``samples.csv`` (texts, then floats with NaN for an empty cell) and its unknown columns.

    Raises:
        ValueError: for a file that is not one, naming the line.
    """
    rows = from_csv(path.read_bytes().decode())
    if not rows or tuple(rows[0][: len(IDENTITY)]) != IDENTITY:
        raise ValueError(f"its columns are not {', '.join(IDENTITY)} and metrics")
    header, body = rows[0], rows[1:]
    names = header[len(IDENTITY) :]
    records = []
    for number, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise ValueError(f"line {number} has {len(row)} values for {len(header)} columns")
        texts = dict(zip(IDENTITY, row, strict=False))
        if texts["status"] not in ("ok", "failed"):
            raise ValueError(f"line {number}: status is '{texts['status']}', not ok or failed")
        try:
            values = [float(text) if text else math.nan for text in row[len(IDENTITY) :]]
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
        records.append([*row[: len(IDENTITY)], *values])
    seen: set[tuple[Any, Any]] = set()
    for record in records:
        key = record[IDENTITY.index("sample_id")], record[IDENTITY.index("seed")]
        if key in seen:
            raise ValueError(f"sample {key[0]} is there twice")
        seen.add(key)
    frame = pd.DataFrame(records, columns=header)
    unknown = tuple(name for name in names if name not in REGISTRY)
    return frame, unknown


def _cells(directory: Path) -> dict[str, tuple[str, ...]]:
    planned = dict(read_plan(directory).cells) if (directory / PLAN).is_file() else {}
    if "" in planned:
        return planned
    found = {path.parent.name for path in directory.glob("*/config.yaml") if path.parent.name != REFERENCE}
    cells = planned | {name: () for name in sorted(found) if name not in planned}
    if not cells and (directory / "config.yaml").is_file():
        return {"": ()}
    if not cells:
        raise UserError(
            f"{directory} is no run and no sweep: it has no {PLAN} and no cell with a config.yaml."
        )
    return cells


def _line(
    name: str, kind: str, directory: Path, status_directory: Path, overrides: tuple[str, ...] = ()
) -> Line:
    status, config = {}, {}
    try:
        status = _object(status_directory / "status.json")
        config = _config(directory / "config.yaml")
        if status.get("state") != "done":
            return Line(name, kind, directory, status, config=config, overrides=overrides)
        metrics = _object(directory / "metrics.json")
        for key, value in metrics.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise _Corrupt(f"{directory / 'metrics.json'} is corrupt: {key} is {value!r}, not a number")
        samples, unknown = _samples(directory, metrics, config)
    except _Corrupt as error:
        status = status | {"state": "failed", "error": str(error)}
        return Line(name, kind, directory, status, config=config, overrides=overrides)
    return Line(name, kind, directory, status, metrics, config, overrides, samples, unknown)


def _object(path: Path) -> dict[str, Any]:
    try:
        values = read_json(path)
    except FileNotFoundError:
        if path.name == "status.json":
            return {}
        raise _Corrupt(f"{path} is missing") from None
    except (OSError, ValueError) as error:
        raise _Corrupt(f"{path} is corrupt: {_one_line(error)}") from error
    if not isinstance(values, dict):
        raise _Corrupt(f"{path} is corrupt: it holds no object")
    return values


def _config(path: Path) -> dict[str, Any]:
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _SAFE_LOADER)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise _Corrupt(f"{path} is corrupt: {_one_line(error)}") from error
    if not isinstance(values, dict):
        raise _Corrupt(f"{path} is corrupt: it holds no settings")
    for group in ("model", "benchmark"):
        if not isinstance(values.get(group, {}), dict):
            raise _Corrupt(f"{path} is corrupt: {group} holds no settings")
    return values


def _samples(
    directory: Path, metrics: dict[str, float], config: dict[str, Any]
) -> tuple[pd.DataFrame | None, tuple[str, ...]]:
    path = directory / "samples.csv"
    if not path.is_file():
        if (config.get("model") or {}).get("kind", "editor") != "editor":
            return None, ()  # a codec or a base model edits nothing
        raise _Corrupt(f"{path} is missing")
    try:
        frame, unknown = read_samples(path)
    except (OSError, ValueError) as error:
        raise _Corrupt(f"{path} is corrupt: {_one_line(error)}") from error
    scored = int((frame["status"] == "ok").sum())
    if scored != metrics.get("n", scored):
        raise _Corrupt(
            f"{path} has {scored} scored samples where metrics.json has {metrics['n']:g}: one is not of this run"
        )
    return frame, unknown


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
