"""Files that are not what was written."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml

from editmgt.errors import UserError
from editmgt.files import read_json

_SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where libyaml is there
T = TypeVar("T")


class BrokenFile(UserError):
    """A stored file that is missing or is not what was written, in one line that names it."""


def readable(read: Callable[[], T]) -> T | None:
    """Return what ``read`` does; None where a file is broken, is not there or cannot be opened."""
    try:
        return read()
    except (OSError, BrokenFile):
        return None


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what is wrong with a file's content into a :class:`BrokenFile`."""
    try:
        yield
    except FileNotFoundError:
        raise BrokenFile(f"{path} is missing") from None
    except (ValueError, yaml.YAMLError) as error:
        raise BrokenFile(f"{path} is corrupt: {' '.join(str(error).split())}") from error


def json_object(path: Path) -> dict[str, Any]:
    """Read an object of JSON."""
    with reading(path):
        values = read_json(path)
        if not isinstance(values, dict):
            raise ValueError("it holds no object")
        return values


def yaml_object(path: Path) -> dict[str, Any]:
    """Read a mapping of YAML."""
    with reading(path):
        values = yaml.load(path.read_text(encoding="utf-8"), _SAFE_LOADER)
        if not isinstance(values, dict):
            raise ValueError("it holds no settings")
        return values
