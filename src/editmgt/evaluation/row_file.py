"""What an evaluation leaves behind: a row per sample, and the means of those same rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from editmgt.benchmarks.benchmark_sample import BenchmarkSample
from editmgt.evaluation.faults import BY_MACHINE
from editmgt.files import append, whole_lines, write_atomic
from editmgt.spreadsheet import from_csv, to_csv

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

    @property
    def may_work_again(self) -> bool:
        """Whether it failed by the machine and not by its sample."""
        return self.error.startswith(BY_MACHINE)


def summarise(rows: Sequence[Row], names: Sequence[str]) -> dict[str, float]:
    """Return flat name -> number: means of ``names`` over the rows that are ok, and the counts beside them.

    ``n`` rows were scored and ``failed`` were not. ``<name>`` is the mean over the samples where the metric
    is defined, left out when there is none; ``<name>/undefined`` counts the others, where there are any, so
    the mean is over ``n`` less that. What ends in ``[add]`` is the same over the rows of edit type ``add``.
    ``failed/machine``, where there are any, counts those of ``failed`` that the machine was to blame for.
    """
    summary = _summarise(rows, names)
    if again := sum(row.may_work_again for row in rows):
        summary["failed/machine"] = again
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
        self.replace([])

    def replace(self, rows: Sequence[Row]) -> None:
        """Have these rows and no others."""
        write_atomic(self.path, to_csv([(*COLUMNS, *self.names), *map(self._record, rows)]))

    def resume(self) -> list[Row]:
        """Return the stored rows, or begin; a last line that a kill has torn is cut off, to be done again.

        Rows of other metrics, or that cannot be read, cannot be continued: then this begins, too.
        """
        whole = whole_lines(self.path)
        try:
            header, *lines = from_csv(whole.decode()) if whole else [[]]
            rows = [self._row(cells) for cells in lines] if header == [*COLUMNS, *self.names] else None
        except ValueError:
            rows = None
        if rows is None:
            self.begin()
            return []
        if len(whole) != self.path.stat().st_size:
            write_atomic(self.path, whole)
        return rows

    def append(self, rows: Sequence[Row]) -> None:
        """Add rows; they are on the disk when this returns."""
        append(self.path, to_csv(map(self._record, rows)))

    def _record(self, row: Row) -> list[object]:
        texts = [one_line(getattr(row, column)) for column in COLUMNS]
        return [*texts, *(row.values.get(name, math.nan) for name in self.names)]

    def _row(self, cells: list[str]) -> Row:
        texts = dict(zip(COLUMNS, cells, strict=False))
        values = {
            name: float(cell or "nan") for name, cell in zip(self.names, cells[len(COLUMNS) :], strict=True)
        }
        if texts.pop("status") == "failed":
            values = {}
        return Row(seed=int(texts.pop("seed")), values=values, **texts)


def one_line(value: object) -> str:
    """Return a value as text that leaves a row one line, so that a torn row is one without its end."""
    return " ".join(str(value).splitlines())


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
