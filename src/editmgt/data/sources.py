"""Opening a dataset wherever it is, through Hugging Face ``datasets``: hub, directory, or parquet files anywhere."""

import glob
import hashlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from editmgt.data.folder import INDEX, folder_columns, is_folder
from editmgt.errors import UserError, nearest

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

_HUB = re.compile(r"[\w-][\w.-]*/[\w.-]+")
_TAIL = 16 * 1024  # bytes at a file's end that identify it; a parquet file keeps its statistics there


def open_dataset(
    name: str, spec: dict[str, Any], streaming: bool, cache_dir: Path
) -> "Dataset | IterableDataset":
    """Open a dataset of ``data.datasets``; its rows come as Arrow tables, so that nothing is decoded unasked.

    ``spec["path"]`` is a directory (a ``folder``, or whatever ``datasets`` reads), parquet files (a name or pattern on
    any fsspec path), or a repository on the hub. ``streaming`` reads as it goes instead of making a
    memory-mapped copy in ``cache_dir``.

    Raises:
        UserError: for a path that is not there, cannot be fetched or is broken, or lacks a column.
    """
    import datasets

    key, path = f"data.datasets.{name}.path", str(spec["path"])
    arguments: dict[str, Any] = {"split": spec["split"], "cache_dir": str(cache_dir / "datasets")}
    if streaming:
        arguments["streaming"] = True
    with _quiet():
        try:
            if is_folder(Path(path)):
                table = folder_columns(Path(path), key)
                features = datasets.Features(
                    {
                        column: datasets.Value(
                            "binary" if column in ("instruction", "caption", "type") else "string"
                        )
                        for column in table
                    }
                )
                opened = datasets.Dataset.from_dict(table, features)
                if streaming:
                    opened = opened.to_iterable_dataset()
            elif Path(path).is_dir() or _is_files(path):
                for file in local_files(path):
                    _check_parquet(file)
                where = (
                    {"path": path}
                    if Path(path).is_dir()
                    else {"path": "parquet", "data_files": {spec["split"]: path}}
                )
                opened = datasets.load_dataset(**where, **arguments)
            elif _HUB.fullmatch(path):
                opened = datasets.load_dataset(path, revision=spec["revision"], **arguments)
            else:
                raise UserError(
                    f"{key}={path} is no directory here, no parquet file or pattern, and no repository on the hub."
                )
            _check_columns(name, spec["columns"], list(opened.column_names or _first_row(opened)))
            return opened.with_format("arrow")
        except UserError:
            raise
        except (
            Exception
        ) as error:  # no network, no such repository or split, broken files: a dozen kinds of error
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise UserError(f"{key}={path} cannot be read: {lines[0]}") from error


def identity(spec: dict[str, Any]) -> str:
    """Return a hash of what a dataset is: its name and place, and of local files their names, sizes and last bytes.

    It does not read the data, and is the same wherever equal files lie.
    """
    path = str(spec["path"])
    digest = hashlib.sha256()
    files = local_files(path)
    place = "" if files else path
    digest.update(repr((place, spec["split"], spec["revision"], sorted(spec["columns"].items()))).encode())
    root = Path(path) if Path(path).is_dir() else None
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.relative_to(root) if root else file.name}\0{size}\0".encode())
        with file.open("rb") as opened:
            if file.name != INDEX:
                opened.seek(max(0, size - _TAIL))
            digest.update(opened.read())
    return digest.hexdigest()[:16]


def local_files(path: str) -> list[Path]:
    """Return the files behind a directory or a pattern on this machine; none where the data are elsewhere."""
    if Path(path).is_dir():
        return sorted(
            file for file in Path(path).rglob("*") if file.is_file() and not file.name.startswith(".")
        )
    if "://" in path:
        return []
    found = glob.glob(path, recursive=True)  # noqa: PTH207 (pathlib refuses absolute patterns)
    return sorted(Path(file) for file in found if Path(file).is_file())


def _is_files(path: str) -> bool:
    return "://" in path or path.endswith(".parquet") or glob.has_magic(path)


def _check_parquet(file: Path) -> None:
    import pyarrow.parquet

    if file.suffix == ".parquet":
        try:
            pyarrow.parquet.read_metadata(file)
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"{file} is no whole parquet file: {reason}") from error


def _check_columns(name: str, columns: dict[str, str | None], present: list[str]) -> None:
    for use, column in columns.items():
        if column is not None and column not in present:
            raise UserError(
                f"data.datasets.{name}.columns.{use}={column}: there is no such column; there are "
                f"{', '.join(present)}.{nearest(column, present)}"
            )


def _first_row(opened: "IterableDataset") -> dict[str, Any]:
    return next(iter(opened.with_format("arrow").take(1))).to_pydict()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' retries and notes off the terminal; their bars too, where it is none."""
    import datasets
    import huggingface_hub

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
