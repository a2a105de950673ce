"""Rows of a published data set, wherever it is: hub, directory, parquet; decoded one at a time."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from editmgt.benchmarks.sample import BenchmarkSample
from editmgt.errors import UserError, nearest
from editmgt.paths import is_file_name

Record = Mapping[str, Any]


class Table:
    """Samples made from records when they are asked for; a broken record raises then, and is one failed row.

    Args:
        records: a ``datasets.Dataset`` or a list.
        convert: a record and its position -> the sample.
        pictures: fields of the records that are paths of pictures, whose content is part of the identity.
        lacks: ``target``, ``edit_mask``: what no row has, so that nobody decodes all of them to find it out.
    """

    def __init__(
        self,
        records: Sequence[Record],
        convert: Callable[[Record, int], BenchmarkSample],
        pictures: Collection[str] = (),
        lacks: Collection[str] = (),
    ) -> None:
        self.records, self.convert, self.pictures, self.lacks = records, convert, pictures, lacks

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> BenchmarkSample:
        if not 0 <= index < len(self.records):
            raise IndexError(index)
        return self.convert(self.records[index], index)

    @cached_property
    def digest(self) -> str:
        """Hash of all rows' content, the same wherever equal rows lie."""
        total = hashlib.sha256()
        if isinstance(self.records, list):
            for record in self.records:
                facts = {key: value for key, value in record.items() if key not in self.pictures}
                total.update(json.dumps(facts, sort_keys=True, default=str).encode())
                for path in (Path(record[key]) for key in self.pictures if key in record):
                    total.update(path.name.encode())
                    total.update(path.read_bytes() if path.is_file() else b"missing")
        else:
            for batch in self.records.with_format("arrow").iter(256):  # type: ignore[attr-defined]
                for part in batch.combine_chunks().to_batches():
                    total.update(part.serialize())
        return total.hexdigest()[:16]


def first(table: Table, size: int | None) -> Table:
    """Return the first ``size`` rows; all of them for None."""
    if size is None or size >= len(table):
        return table
    records = table.records
    records = records[:size] if isinstance(records, list) else records.select(range(size))  # type: ignore[attr-defined]
    return Table(records, table.convert, table.pictures, table.lacks)


def check_keys(path: str, name: str, keys: Iterable[object]) -> None:
    """Raise a ``UserError`` for a key that two rows have, or that is no file name: it names a row's picture."""
    seen: set[object] = set()
    for key in keys:
        if not is_file_name(str(key)):
            raise UserError(f"benchmark.path={path}: {name} '{str(key)[:80]}' is no file name.")
        if key in seen:
            raise UserError(f"benchmark.path={path}: {name} {key} is there twice; every row needs its own.")
        seen.add(key)


def open_table(path: str, split: str, columns: Sequence[str]) -> Any:
    """Open a data set without decoding its pictures; returns a ``datasets.Dataset``.

    ``path`` is a directory that ``datasets`` can read, a parquet file or pattern, or a repository on the hub.

    Raises:
        UserError: for what is not there, cannot be fetched, has no such split, or lacks one of ``columns``.
    """
    import datasets

    where = f"benchmark.path={path}"
    try:
        datasets.disable_progress_bars()
        if path.endswith(".parquet"):
            opened = datasets.load_dataset("parquet", data_files={split: path}, split=split)
        else:
            opened = datasets.load_dataset(path, split=split)
    except (
        Exception
    ) as error:  # no network, no such repository or split, broken files: a dozen kinds of error
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"{where} split={split} cannot be read: {lines[0]}") from error
    lacking = [name for name in columns if name not in opened.column_names]
    if lacking:
        present = opened.column_names
        raise UserError(
            f"{where} has no column {', '.join(lacking)}; it has {', '.join(present)}.{nearest(lacking[0], present)}"
        )
    for name, feature in opened.features.items():
        if isinstance(feature, datasets.Image):
            opened = opened.cast_column(name, datasets.Image(decode=False))
    return opened
