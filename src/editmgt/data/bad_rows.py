"""Rows that cannot be learnt from: counted by reason, named in a file, and too many of them stop the run."""

import csv
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from editmgt.errors import UserError, first_line
from editmgt.spreadsheet import to_csv

_FEWEST = 100  # a share is judged over at least this many rows


class BadRow(Exception):
    """A row that cannot be used; ``reason`` is one of a few words, ``detail`` says the rest, in one short line."""

    def __init__(self, reason: str, detail: str = "") -> None:
        detail = first_line(detail) if detail else ""
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


class BadRows:
    """The count of one process.

    Bad rows are appended to the CSV file ``log`` (dataset, row, reason, detail) by all processes; a run goes on with a share of
    them of at most ``max_share``, in [0, 1].
    """

    def __init__(self, log: Path, max_share: float) -> None:
        self.log, self.max_share = log, max_share
        self.reasons: Counter[str] = Counter()
        self._good: set[tuple[str, int | str]] = set()
        self._bad: set[tuple[str, int | str]] = set()

    def good(self, dataset: str, row: int | str) -> None:
        """Count a row that could be used."""
        self._good.add((dataset, row))

    def bad(self, dataset: str, row: int | str, error: BadRow) -> None:
        """Count and name a row that could not, once; a ``UserError`` when it is one too many."""
        if (dataset, row) in self._bad:
            return
        self._bad.add((dataset, row))
        self.reasons[error.reason] += 1
        _append(self.log, to_csv([(dataset, row, error.reason, error.detail)]))
        if too_many(len(self._bad), len(self._good) + len(self._bad), self.max_share):
            raise UserError(
                f"{len(self._bad)} of {len(self._good) + len(self._bad)} rows are bad ({told(self.reasons)}), more "
                f"than data.max_bad_share={self.max_share}; {self.log} names them."
            )

    def named(self) -> Counter[str]:
        """Return the count of what all processes have named so far, by reason."""
        if not self.log.is_file():
            return Counter()
        with self.log.open(newline="") as file:
            return Counter(row[2] for row in {tuple(row[:3]) for row in csv.reader(file)})


def too_many(bad: int, seen: int, max_share: float) -> bool:
    """Whether more than ``max_share`` of the rows seen so far are bad; of few rows, so many as that share of a hundred."""
    return bad > max_share * max(_FEWEST, seen)


def told(reasons: Mapping[str, int]) -> str:
    """Return counts as ``3 unreadable, 1 no instruction``, most frequent first."""
    return ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items(), key=lambda item: -item[1]))


def _append(path: Path, line: str) -> None:
    """Append in one write, so that lines of several processes never mix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)
