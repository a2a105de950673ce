"""``samples.csv``: a row per sample, written as samples finish, and read by whoever wants to know how they did."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from editmgt.files import append, whole_lines, write_atomic
from editmgt.spreadsheet import from_csv, to_csv

if TYPE_CHECKING:
    import pandas as pd

OF_SAMPLE = ("sample_id", "source_id", "edit_type", "slice", "instruction")
COLUMNS = (*OF_SAMPLE, "seed", "status", "error")  # before those of the metrics
# What begins the error of a row that failed by the machine: the same command does such rows again.
BY_MACHINE = "by the machine: "


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

    @property
    def status(self) -> str:
        """``ok`` or ``failed``."""
        return "failed" if self.error else "ok"

    @property
    def may_work_again(self) -> bool:
        """Whether it failed by the machine and not by its sample."""
        return self.error.startswith(BY_MACHINE)


class RowFile:
    """``samples.csv`` as it is written, row by row, one line each, and gone on with after a kill.

    Args:
        path: of the file.
        names: of the metrics, one column each; a value that is not defined is an empty cell.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path, self.names = path, tuple(names)

    def begin(self) -> list[Row]:
        """Start anew, with the header alone; returns the rows, which are none."""
        self.replace([])
        return []

    def replace(self, rows: Sequence[Row]) -> None:
        """Have these rows and no others."""
        write_atomic(self.path, to_csv([(*COLUMNS, *self.names), *map(self._cells, rows)]))

    def resume(self) -> list[Row]:
        """Return the stored rows, or begin; a last line that a kill has torn is cut off, to be done again.

        Rows of other metrics, or that cannot be read, cannot be continued: then this begins, too.
        """
        whole = whole_lines(self.path)
        try:
            names, rows = _parse(whole)
        except ValueError:
            names, rows = (), []
        if not rows or names != self.names:
            return self.begin()
        if len(whole) != self.path.stat().st_size:
            write_atomic(self.path, whole)
        return rows

    def append(self, rows: Sequence[Row]) -> None:
        """Add rows; they are on the disk when this returns."""
        append(self.path, to_csv(map(self._cells, rows)))

    def _cells(self, row: Row) -> list[object]:
        texts = [one_line(getattr(row, column)) for column in COLUMNS]
        return [*texts, *_values(row, self.names)]


def read_samples(path: Path) -> "pd.DataFrame":
    """Return a whole ``samples.csv``: texts in ``COLUMNS``, then floats, NaN where a metric is not defined.

    Raises:
        OSError: where there is none that can be opened.
        ValueError: for a file that is not one, naming the line.
    """
    import pandas as pd  # late: it takes a second

    names, rows = _parse(path.read_bytes())
    records = [[*(str(getattr(row, column)) for column in COLUMNS), *_values(row, names)] for row in rows]
    samples = pd.DataFrame(records, columns=[*COLUMNS, *names])
    for sample_id in samples["sample_id"][samples.duplicated(["sample_id", "seed"])]:
        raise ValueError(f"sample {sample_id} is there twice")
    return samples


def one_line(value: object) -> str:
    """Return a value as text that leaves a row one line, so that a torn row is one without its end."""
    return " ".join(str(value).splitlines())


def _values(row: Row, names: Sequence[str]) -> list[float]:
    return [row.values.get(name, math.nan) for name in names]


def _parse(content: bytes) -> tuple[tuple[str, ...], list[Row]]:
    """Return the names of the metrics, and the rows."""
    header, *lines = from_csv(content.decode()) or [[]]
    if tuple(header[: len(COLUMNS)]) != COLUMNS:
        raise ValueError(f"its columns are not {', '.join(COLUMNS)} and metrics")
    names, rows = tuple(header[len(COLUMNS) :]), []
    for number, cells in enumerate(lines, start=2):
        if len(cells) != len(header):
            raise ValueError(f"line {number} has {len(cells)} values for {len(header)} columns")
        texts = dict(zip(COLUMNS, cells, strict=False))
        seed, status = texts.pop("seed"), texts.pop("status")
        try:
            values = {
                name: float(cell or "nan") for name, cell in zip(names, cells[len(COLUMNS) :], strict=True)
            }
            row = Row(seed=int(seed), values={} if texts["error"] else values, **texts)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
        if status != row.status:
            raise ValueError(f"line {number}: status is '{status}' where error is '{row.error}'")
        rows.append(row)
    return names, rows
