"""Opening a dataset wherever it is, through Hugging Face ``datasets``: hub, directory, or parquet files anywhere."""

import glob
import hashlib
import logging
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from editmgt.data.cells import PICTURE, TEXT, column_problem, locate, storage
from editmgt.data.folder import folder_columns, is_folder
from editmgt.errors import UserError, first_line, nearest
from editmgt.files import files_below

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import Dataset, DatasetBuilder, IterableDataset

    from editmgt.config import schema

_HUB = re.compile(r"[\w-][\w.-]*/[\w.-]+")
_BATCH = 100  # rows read at a time; of its own accord ``datasets`` stops at a row group without any
_HERE = "file://"  # begins the address of a file on this machine
_TAIL = 16 * 1024  # bytes at the end of a file that tell it; a parquet file keeps its statistics there
#: Tables with statistics, and compressed files: what changes in them changes their size or their end.
_TOLD_BY_THEIR_END = {".parquet", ".arrow", ".png", ".jpg", ".jpeg", ".webp", ".zip", ".tar", ".gz"}


class Opened(NamedTuple):
    """Rows that come as Arrow tables, so that nothing is decoded unasked."""

    rows: "Dataset | IterableDataset"
    place: str  # the key and the path, for errors
    folders: Sequence[
        Path
    ]  # of the tables: relative paths in the rows start there; none of tables that are elsewhere


class Column(NamedTuple):
    """A column that is read: what an error calls it, its name, and its kind (see ``cells.column_problem``)."""

    label: str
    name: str
    kind: str | None


def open_dataset(name: str, spec: "schema.Dataset", streaming: bool, cache_dir: Path) -> Opened:
    """Open a dataset of ``data.datasets``; a ``UserError`` where it is not there, broken, or without a column as it should be.

    ``spec.path`` is a directory (a ``folder``, or whatever ``datasets`` reads), parquet files (a name or pattern on
    any fsspec path), or a repository on the hub. Of parquet files the columns of ``spec`` alone are read. ``streaming``
    reads as it goes instead of making a memory-mapped copy in ``cache_dir``.
    """
    import datasets

    key, path = f"data.datasets.{name}", str(spec.path)
    if not is_folder(Path(path)):
        return open_table(
            f"{key}.path",
            path,
            spec.split,
            _columns(key, spec.columns),
            config=(f"{key}.config", spec.config),
            revision=spec.revision,
            cache_dir=cache_dir / "datasets",
            streaming=streaming,
        )
    table = folder_columns(Path(path), f"{key}.path")
    kinds = {
        column: "binary" if column in ("instruction", "caption", "type") else "string" for column in table
    }
    features = datasets.Features({column: datasets.Value(kind) for column, kind in kinds.items()})
    rows: Any = datasets.Dataset.from_dict(table, features)
    _check_columns(rows.features.arrow_schema, _columns(key, spec.columns))
    rows = rows.to_iterable_dataset() if streaming else rows
    return Opened(rows.with_format("arrow"), f"{key}.path={path}", ())


def open_table(
    key: str,
    path: str,
    split: str,
    columns: Sequence[Column],
    *,
    config: tuple[str, str | None] | None = None,
    revision: str | None = None,
    cache_dir: Path | None = None,
    streaming: bool = False,
    optional: Sequence[str] = (),
) -> Opened:
    """Open what ``datasets`` reads: a directory, parquet files or a repository; ``key`` is the one that ``path`` is of.

    Args:
        columns: have to be there, in types that can be read.
        config: the key of the configuration's name, and its value.
        optional: columns that are read where they are there.
    """
    import datasets
    import pyarrow as pa

    split = "+".join(part.strip() for part in split.split("+"))
    place, (config_key, config_name) = f"{key}={path}", config or ("", None)
    with _mistakes(place, config_key), _quiet():
        where = _where(key, path, split) | {"name": config_name, "revision": revision}
        where |= {"cache_dir": cache_dir and str(cache_dir)}
        needed = {column.name for column in columns}
        builder = _builder(where, [needed | {*optional}, needed])
        if (schemas := _check_files(builder, split, columns)) is not None:
            first, known = schemas
            read = needed | ({*optional} & {*first.names})
            builder = _projected(where, read)
            if known != first:  # of its own accord ``datasets`` goes by the first file alone
                builder.info.features = datasets.Features.from_arrow_schema(
                    pa.schema([field for field in known if field.name in read], known.metadata)
                )
        rows: Any
        if streaming:
            rows = builder.as_streaming_dataset(split=split)
        else:
            builder.download_and_prepare()
            rows = builder.as_dataset(split=split)
        rows = rows.with_format("arrow")
        _check_columns(
            rows.features.arrow_schema if rows.features else next(iter(rows.take(1))).schema, columns
        )
    return Opened(rows, place, _folders(_files(builder, split)))


def told(place: str, rows: Iterable["pa.Table"]) -> Iterator["pa.Table"]:
    """Return the rows; what goes wrong on the way to one is a ``UserError`` of one line."""
    with _mistakes(place, ""):
        yield from rows


def identity(spec: "schema.Dataset") -> str:
    """Return a hash of what a dataset is: its name and place, and of local files their names, sizes and contents.

    Of tables and compressed pictures it reads the last bytes alone, in which a change shows. It is the same wherever equal
    files lie.
    """
    path = str(spec.path)
    digest = hashlib.sha256()
    files = local_files(path)
    facts = ("" if files else path, spec.split, spec.config, spec.revision, sorted(spec.columns))
    digest.update(repr(facts).encode())
    root = Path(path) if Path(path).is_dir() else None
    for file in files:
        digest.update(f"{file.relative_to(root) if root else file.name}\0".encode() + _content(file))
    for name, file in _named_pictures(files, spec.columns):
        digest.update(f"{name}\0".encode() + _content(file))
    return digest.hexdigest()[:16]


def local_files(path: str) -> list[Path]:
    """Return the files behind a directory or a pattern on this machine; none where the data are elsewhere."""
    root = Path(path)
    if root.is_dir():
        return files_below(root)
    if root.is_file():  # also one whose name looks like a pattern
        return [root]
    if "://" in path.removeprefix(_HERE):
        return []
    found = glob.glob(path.removeprefix(_HERE), recursive=True)  # noqa: PTH207 (pathlib refuses absolute patterns)
    return sorted(Path(file) for file in found if Path(file).is_file())


def _content(file: Path) -> bytes:
    stat = file.stat()
    return _content_of(file, stat.st_size, stat.st_mtime_ns)


@cache
def _content_of(file: Path, size: int, time_ns: int) -> bytes:
    with file.open("rb") as opened:
        if file.suffix.lower() in _TOLD_BY_THEIR_END:
            opened.seek(max(0, size - _TAIL))
        return f"{size}\0".encode() + hashlib.file_digest(opened, "sha256").digest()


def _named_pictures(files: Sequence[Path], columns: "schema.Columns") -> Iterator[tuple[str, Path]]:
    """Yield the pictures that parquet files name by their paths, which may lie anywhere, as named there."""
    import pyarrow.parquet as pq

    tables = [file for file in files if file.suffix.lower() == ".parquet"]
    folders = _folders([str(file) for file in tables])
    for file in tables:
        with suppress(Exception):  # who opens the data set says what is wrong with it
            schema = pq.read_schema(file)
            wanted = {columns.source, columns.target, columns.mask, columns.hole} & {*schema.names}
            for column in sorted(name for name in wanted if name):
                if storage(schema.field(column).type) == "text":
                    yield from _paths(pq.ParquetFile(file), column, folders)


def _paths(table: "pq.ParquetFile", column: str, folders: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    for batch in table.iter_batches(columns=[column]):
        for value in filter(None, batch.column(0).to_pylist()):
            where = locate(value, folders)
            if not isinstance(where, Path):
                return  # a column that holds the pictures themselves
            if where.is_file():
                yield value, where


def _columns(key: str, columns: "schema.Columns") -> list[Column]:
    kinds = {"instruction": TEXT, "caption": TEXT, "edit_type": None}
    return [
        Column(f"{key}.columns.{use}={column}", column, kinds.get(use, PICTURE))
        for use, column in columns
        if column is not None
    ]


def _where(key: str, path: str, split: str) -> dict[str, Any]:
    there = Path(path)
    if there.is_dir():
        return {"path": path}
    if "://" in path or path.endswith(".parquet") or glob.has_magic(path):
        file = glob.escape(path) if there.is_file() else path
        return {"path": "parquet", "data_files": {split_names(split)[0]: file}}
    if _HUB.fullmatch(path) and not there.is_file():
        return {"path": path}
    beside = [entry.name for entry in there.parent.glob("*")]
    raise UserError(
        f"{key}={path} is no directory here, no parquet file or pattern, and no repository on the hub."
        f"{nearest(there.name, beside)}"
    )


def _builder(where: dict[str, Any], projections: Sequence[set[str]]) -> "DatasetBuilder":
    """Return what reads ``where``, all columns of it; of a repository that cannot be reached, the copy here.

    A copy is known by the columns that were read.
    """
    import datasets

    try:
        return datasets.load_dataset_builder(**where)
    except ValueError as error:
        if "find cache" not in str(error):
            raise
        for columns in projections:
            with suppress(ValueError):
                return _projected(where, columns)
        raise


def _projected(where: dict[str, Any], columns: set[str]) -> "DatasetBuilder":
    import datasets

    return datasets.load_dataset_builder(**where, columns=sorted(columns), batch_size=_BATCH)


def _check_files(
    builder: "DatasetBuilder", split: str, columns: Sequence[Column]
) -> "tuple[pa.Schema, pa.Schema] | None":
    """Check parquet files before they are read (far ones: until one holds values in every column).

    Returns the first one's schema, and the same with the types that other files give to its columns without values.
    None: the data set is of another format, or its split of no files.
    """
    import pyarrow.parquet as pq
    from datasets.packaged_modules.parquet.parquet import ParquetConfig
    from datasets.utils.file_utils import xopen

    if not isinstance(builder.config, ParquetConfig):
        return None
    files, rows, first, known = _files(builder, split), 0, None, None
    here = "://" not in "".join(files)
    for file in files:
        try:
            with xopen(file, "rb") as opened:
                parquet = pq.ParquetFile(opened)
                schema, rows = parquet.schema_arrow, rows + parquet.metadata.num_rows
        except Exception as error:
            raise UserError(f"{file} is no whole parquet file: {first_line(error)}") from error
        _check_columns(schema, columns, f" of {file}" if first else "")
        first, known = first or schema, _filled(known, schema) if known else schema
        for column in columns:
            types = [part.field(column.name).type for part in (known, schema)]
            if storage(types[0]) != storage(types[1]) != "null":
                raise UserError(
                    f"{column.label}: the column's type is {first_line(types[1], 80)} in {file} and "
                    f"{first_line(types[0], 80)} in those from {files[0]} on; it has to be the same in all files."
                )
        if not here and all(storage(known.field(column.name).type) != "null" for column in columns):
            break
    if here and first and not rows:
        raise UserError(f"{Path(files[0]).parent if files[1:] else files[0]} holds no row.")
    return (first, known) if first and known else None


def _filled(schema: "pa.Schema", other: "pa.Schema") -> "pa.Schema":
    """Return ``schema`` with the types of ``other`` where its own are null, also within a struct."""
    import pyarrow as pa

    for index, field in enumerate(schema):
        if other.names.count(field.name) == 1:
            with suppress(pa.ArrowException):  # types that differ in more than that stay
                pair = [pa.schema([found]) for found in (field, other.field(field.name))]
                schema = schema.set(index, pa.unify_schemas(pair).field(0))
    return schema


def _check_columns(schema: "pa.Schema", columns: Sequence[Column], where: str = "") -> None:
    for column in columns:
        if problem := column_problem(schema, column.name, column.kind):
            raise UserError(f"{column.label}{where}: {problem}")


def split_names(split: str) -> list[str]:
    """Return the splits that a name such as ``a[:10%]+b`` is of."""
    return [re.split(r"[\[(]", part)[0].strip() for part in split.split("+")]


def _files(builder: "DatasetBuilder", split: str) -> list[str]:
    found = builder.config.data_files or {}
    names = found if split == "all" else split_names(split)
    return [str(file) for name in names for file in found.get(name, ())]


def _folders(files: Sequence[str]) -> list[Path]:
    """Return the folders that the tables lie in; none where they are far."""
    return [] if "://" in "".join(files) else sorted({Path(file).parent for file in files})


@contextmanager
def _mistakes(place: str, config_key: str) -> Iterator[None]:
    """Turn what ``datasets`` raises (a dozen kinds: no network, no such split, broken files) into one line."""
    import datasets

    try:
        yield
    except UserError:
        raise
    except Exception as error:
        generating = isinstance(error, datasets.exceptions.DatasetGenerationError)
        text = " ".join(str((generating and error.__cause__) or error).split()) or type(error).__name__
        if text.startswith("Config name is missing") and config_key:
            names = ", ".join(re.findall(r"'([^']+)'", text.partition("]")[0]))
            raise UserError(
                f"{config_key}=null: {place} holds several configurations; name one of {names}."
            ) from error
        told = f"{place} cannot be read: {first_line(text).rstrip('.')}."
        if datasets.config.HF_HUB_OFFLINE and isinstance(error, ConnectionError):
            told += " HF_HUB_OFFLINE is set: unset it to fetch from the hub."
        raise UserError(told) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' retries and notes off the terminal; their bars too, where it is none."""
    import datasets
    import huggingface_hub

    logging.getLogger("datasets.packaged_modules").setLevel(logging.CRITICAL)  # a stream reads on after this
    libraries = (datasets.logging, huggingface_hub.logging)
    levels = [library.get_verbosity() for library in libraries]
    bars = not datasets.are_progress_bars_disabled()
    for library in libraries:
        library.set_verbosity(50)
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        for library, level in zip(libraries, levels, strict=True):
            library.set_verbosity(level)
        if bars:
            datasets.enable_progress_bars()
