"""Rows of a published data set, wherever it is: hub, directory, parquet; decoded one at a time."""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from editmgt.data import sources
from editmgt.data.cells import PICTURE, locate, storage
from editmgt.data.sample import EditSample
from editmgt.data.sources import Column
from editmgt.errors import UserError
from editmgt.paths import is_file_name, within

if TYPE_CHECKING:
    import pyarrow as pa

_LONGEST = 1000  # characters of a path
Record = Mapping[str, Any]


class Table:
    """Samples made from records when they are asked for; a broken record raises then, and is one failed row.

    Args:
        records: a ``datasets.Dataset`` or a list.
        convert: a record and its position -> the sample.
        pictures: fields of the records that hold pictures or are paths of them, whose content is part of the identity.
        lacks: ``target``, ``edit_mask``: what no row has, so that nobody decodes all of them to find it out.
        instruction: field of the records that is the instruction; of another, each row is converted to find out.
    """

    def __init__(
        self,
        records: Sequence[Record],
        convert: Callable[[Record, int], EditSample],
        pictures: Collection[str] = (),
        lacks: Collection[str] = (),
        instruction: str = "instruction",
    ) -> None:
        self.records, self.convert, self.pictures, self.lacks = records, convert, pictures, lacks
        self.instruction = instruction

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> EditSample:
        if not 0 <= index < len(self.records):
            raise IndexError(index)
        return self.convert(self.records[index], index)

    def first(self, size: int | None) -> "Table":
        """Return the first ``size`` rows; all of them for None."""
        if size is None or size >= len(self):
            return self
        some = self.records[:size] if isinstance(self.records, list) else self.records.select(range(size))  # type: ignore[attr-defined]
        return Table(some, self.convert, self.pictures, self.lacks, self.instruction)

    def texts(self) -> list[Any] | None:
        """Return what every row has for an instruction, without touching the pictures; None: no record has that field."""
        if isinstance(self.records, list):
            named = any(self.instruction in record for record in self.records)
            return [record.get(self.instruction) for record in self.records] if named else None
        if self.instruction not in self.records.column_names:  # type: ignore[attr-defined]
            return None
        return list(self.records.with_format(None)[self.instruction])  # type: ignore[attr-defined]

    @cached_property
    def digest(self) -> str:
        """Hash of all rows' content, the same wherever equal rows lie."""
        total = hashlib.sha256()
        if isinstance(self.records, list):
            for record in self.records:
                facts = {key: value for key, value in record.items() if key not in self.pictures}
                total.update(json.dumps(facts, sort_keys=True, default=str).encode())
                for key in self.pictures:
                    if key in record:
                        total.update(_content(key, Path(record[key])))
        else:
            for batch in self.records.with_format("arrow").iter(256):  # type: ignore[attr-defined]
                for part in batch.combine_chunks().to_batches():
                    total.update(part.serialize())
            for key, path in self._named_files():
                total.update(_content(key, path))
        return total.hexdigest()[:16]

    def _named_files(self) -> Iterator[tuple[str, Path]]:
        """Yield the pictures that a table names by their paths, each with its column."""
        table = self.records.data.table  # type: ignore[attr-defined]
        columns = [
            name for name in self.pictures if name in table.column_names and _names_files(table.column(name))
        ]
        rows = self.records.select_columns(columns)  # type: ignore[attr-defined]
        for index in range(len(rows) if columns else 0):
            with suppress(UserError):  # a path that leads out of the folder: the row fails when it is edited
                yield from ((key, cell) for key, cell in rows[index].items() if isinstance(cell, Path))


def _names_files(column: "pa.ChunkedArray") -> bool:
    """Whether cells of a column may be paths of pictures: not where all hold the pictures themselves."""
    import pyarrow.compute as pc

    kind = storage(column.type)
    if kind == "picture" and column.type.get_field_index("bytes") >= 0:
        return bool(pc.struct_field(column, "bytes").null_count)
    return kind in ("picture", "text")


def _content(field: str, path: Path) -> bytes:
    named = f"{field}\0{path.name}\0".encode()
    return named + (hashlib.sha256(path.read_bytes()).digest() if path.is_file() else b"missing")


def check_keys(path: str, name: str, keys: Iterable[object]) -> None:
    """Raise a ``UserError`` for a key that two rows have, or that is no file name: it names a row's picture."""
    seen: set[object] = set()
    for key in keys:
        if not is_file_name(str(key)):
            raise UserError(f"benchmark.path={path}: {name} '{str(key)[:80]}' is no file name.")
        if key in seen:
            raise UserError(f"benchmark.path={path}: {name} {key} is there twice; every row needs its own.")
        seen.add(key)


def open_table(
    path: str, split: str, columns: Sequence[str], pictures: Sequence[str], optional: Sequence[str] = ()
) -> Any:
    """Open a data set without decoding its pictures; returns a ``datasets.Dataset``.

    Args:
        path: a directory that ``datasets`` can read, parquet files (a pattern), or a repository on the hub.
        columns: those that have to be there, ``pictures`` apart.
        pictures: columns that hold pictures; a path in them is taken from the table's folder and may not lead out of it.
        optional: columns that are read where they are there.

    Raises:
        UserError: for what is not there or broken, or lacks a column or has one of another type.
    """
    from datasets import Image

    kinds: dict[str, str | None] = dict.fromkeys(columns) | dict.fromkeys(pictures, PICTURE)
    wanted = [Column(f"benchmark.path={path} column {name}", name, kind) for name, kind in kinds.items()]
    opened = sources.open_table("benchmark.path", path, split, wanted, optional=optional)
    folders = opened.folders

    def located(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return {
            name: [_inside(cell, folders, name) for cell in cells] if name in pictures else cells
            for name, cells in batch.items()
        }

    rows: Any = opened.rows
    for name, feature in rows.features.items():
        if isinstance(feature, Image):
            rows = rows.cast_column(name, Image(decode=False))
    return rows.with_transform(located)


def _inside(cell: Any, folders: Sequence[Path], name: str) -> Any:
    """Return a cell that holds a picture or the path of one in the tables' folders."""
    found = locate(cell, folders or [Path()])
    if not isinstance(found, Path) or len(str(found)) > _LONGEST:  # whoever opens that says what it is
        return found
    if not folders:
        raise UserError(f"column {name} names a file, but its table is not on this machine.")
    return within(Path(os.path.commonpath(folders)), str(found), f"column {name}")
