"""Files that are either whole or absent: write to a temporary name, sync, rename."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from editmgt.errors import UserError, first_line

CANNOT_WRITE = "cannot write "  # begins the message of a WriteError


class WriteError(OSError):
    """What was to be kept could not be written: nothing is wrong with it, so no later result may count as its own."""

    def __str__(self) -> str:
        return f"{CANNOT_WRITE}{self.filename}: {self.strerror}"


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WriteError(error.errno, error.strerror or str(error), str(path)) from error


@contextmanager
def replacing(path: Path | str) -> Iterator[IO[bytes]]:
    """Open a temporary file that takes the place of ``path`` once all of it is on the disk.

    A reader, a kill or a full disk never leaves half a file: where anything fails, ``path`` is what it was.

    Raises:
        WriteError: a full disk, a directory that cannot be written.
    """
    path = Path(path)
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)  # mkstemp makes files private; results are for sharing
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def append(path: Path | str, content: str | bytes) -> None:
    """Add ``content`` to the end of a file; it is on the disk when this returns, and no part of it where this fails.

    Raises:
        WriteError: as :func:`write_atomic`.
    """
    path = Path(path)
    rest = memoryview(content.encode() if isinstance(content, str) else content)
    with (
        _writing(path),
        path.open("ab", buffering=0) as file,
    ):  # a buffer would write its rest when it is closed
        before = file.tell()
        try:
            while rest:  # a disk that fills up takes a part at first
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except BaseException:
            file.truncate(before)
            raise


def whole_lines(path: Path) -> bytes:
    """Return what a file that lines are added to holds, without a last line that a kill has torn; b"" for no file."""
    stored = path.read_bytes() if path.is_file() else b""
    return stored[: stored.rfind(b"\n") + 1]


def write_atomic(path: Path | str, content: str | bytes) -> None:
    """Replace ``path`` by ``content`` so that a reader, or a kill, never meets half a file."""
    with replacing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically; NaN is refused because JSON has none."""
    write_atomic(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def files_below(directory: Path) -> list[Path]:
    """Return the files of a directory and of its folders, sorted, also of folders that are links to elsewhere.

    Of hidden files and folders (git's, a download's notes) there are none.
    """
    found = []
    for folder, folders, names in os.walk(directory, followlinks=True):
        here = Path(folder).resolve()
        # links to a folder that they lie in would lead round and round
        folders[:] = [
            name for name in folders if name[0] != "." and not here.is_relative_to((here / name).resolve())
        ]
        found += [path for name in names if name[0] != "." and (path := Path(folder) / name).is_file()]
    return sorted(found)


def read_json(path: Path | str) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text())


def read_object(file: Path) -> dict[str, Any]:
    """Return a file's JSON object; a ``UserError`` of one line where there is none."""
    try:
        found = json.loads(file.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file} cannot be read as JSON: {first_line(error)}.") from error
    if not isinstance(found, dict):
        raise UserError(f"{file} holds no JSON object, but {type(found).__name__}.")
    return found
