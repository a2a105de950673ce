"""What an evaluation leaves behind: a row per sample, and the means of those same rows."""

import csv
import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from editmgt.benchmarks.sample import BenchmarkSample
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
        cls, sample: BenchmarkSample, seed: int, error: str = "", values: dict[str, float] | None = None
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


class RowFile:
    """``samples.csv``, written row by row as samples finish, one line each, and read back after a kill.

    Args:
        path: of the file.
        names: of the metrics, one column each; a value that is not defined is an empty cell.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path, self.names = path, tuple(names)

    def begin(self) -> None:
        """Start anew, with the header alone."""
        write_atomic(self.path, self._lines([(*COLUMNS, *self.names)]))

    def resume(self) -> list[Row]:
        """Return the stored rows, or begin; a last line that a kill has torn is cut off, to be done again.

        Rows of other metrics cannot be continued: then this begins, too.
        """
        stored = self.path.read_bytes() if self.path.is_file() else b""
        whole = stored[: stored.rfind(b"\n") + 1]
        header, *lines = csv.reader(io.StringIO(whole.decode())) if whole else [[]]
        if header != [*COLUMNS, *self.names]:
            self.begin()
            return []
        if whole != stored:
            write_atomic(self.path, whole)
        return [self._row(cells) for cells in lines]

    def append(self, rows: Sequence[Row]) -> None:
        """Add rows; they are on the disk when this returns."""
        records = []
        for row in rows:
            values = [row.values.get(name, math.nan) for name in self.names]
            texts = [" ".join(str(getattr(row, column)).splitlines()) for column in COLUMNS]
            records.append([*texts, *("" if math.isnan(value) else repr(value) for value in values)])
        with self.path.open("a", newline="") as file:
            file.write(self._lines(records))
            file.flush()
            os.fsync(file.fileno())

    def _lines(self, records: Sequence[Sequence[str]]) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(records)
        return text.getvalue()

    def _row(self, cells: list[str]) -> Row:
        texts = dict(zip(COLUMNS, cells, strict=False))
        values = {
            name: float(cell or "nan") for name, cell in zip(self.names, cells[len(COLUMNS) :], strict=True)
        }
        if texts.pop("status") == "failed":
            values = {}
        return Row(seed=int(texts.pop("seed")), values=values, **texts)


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
