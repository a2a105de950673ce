"""What an evaluation leaves behind: a row per sample, and the means of those same rows."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from editmgt.data.sample import EditSample
from editmgt.files import write_atomic

COLUMNS = ("sample_id", "source_id", "edit_type", "slice", "instruction", "seed", "status", "error")
BY_TYPE = ("edit/success", "edit/success_strict")  # summarised per edit type; samples.csv has the rest


@dataclass(frozen=True)
class Row:
    """One line of ``samples.csv``.

    ``error`` says what went wrong and is empty when nothing did. ``values`` holds each metric, NaN where it
    is not defined; a failed sample has none. A sample that could not be loaded is known by its position
    alone.
    """

    sample_id: str
    seed: int
    source_id: str = ""
    edit_type: str = ""
    slice: str = ""
    instruction: str = ""
    error: str = ""
    values: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls, sample: EditSample, seed: int, error: str = "", values: dict[str, float] | None = None
    ) -> "Row":
        """Return the row of a sample that could be loaded."""
        return cls(
            sample_id=sample.sample_id,
            seed=seed,
            source_id=sample.source_id,
            edit_type=sample.edit_type,
            slice=sample.slice,
            instruction=sample.instruction,
            error=error,
            values=values or {},
        )

    @property
    def status(self) -> str:
        """``ok`` or ``failed``."""
        return "failed" if self.error else "ok"


def summarise(rows: Sequence[Row], names: Sequence[str]) -> dict[str, float]:
    """Return flat name -> number: means of ``names`` over the rows that are ok, and the counts beside them.

    ``n`` rows were scored and ``failed`` were not. ``<name>`` is the mean over the samples where the metric
    is defined, left out when there is none; ``<name>/undefined`` counts the others, where there are any, so
    the mean is over ``n`` less that. What ends in ``[add]`` is the same over the rows of edit type ``add``.
    """
    summary = _summarise(rows, names)
    for edit_type in sorted({row.edit_type for row in rows} - {""}):
        of_type = [row for row in rows if row.edit_type == edit_type]
        part = _summarise(of_type, [name for name in names if name in BY_TYPE])
        summary |= {f"{name}[{edit_type}]": value for name, value in part.items()}
    return summary


def write_rows(rows: Sequence[Row], names: Sequence[str], path: Path) -> None:
    """Write ``samples.csv``; a value that is not defined is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *names])
    for row in rows:
        values = [row.values.get(name, math.nan) for name in names]
        cells = ["" if math.isnan(value) else repr(value) for value in values]
        writer.writerow([*(getattr(row, column) for column in COLUMNS), *cells])
    write_atomic(path, text.getvalue())


def _summarise(rows: Sequence[Row], names: Sequence[str]) -> dict[str, float]:
    scored = [row for row in rows if row.status == "ok"]
    summary: dict[str, float] = {"n": len(scored), "failed": len(rows) - len(scored)}
    for name in names:
        defined = [row.values[name] for row in scored if not math.isnan(row.values[name])]
        if defined:
            summary[name] = math.fsum(defined) / len(defined)
        if len(defined) < len(scored):
            summary[f"{name}/undefined"] = len(scored) - len(defined)
    return summary
