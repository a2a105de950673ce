"""JSON files as benchmarks are released in: read whole, and known to hold what is read of them."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from editmgt.errors import UserError, first_line, nearest
from editmgt.files import read_object


def read_entries(file: Path, texts: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return a file's entries by their keys, each an object with the fields ``texts``, which are texts."""
    entries = read_object(file)
    for key, entry in entries.items():
        check_texts(file, key, entry, texts)
    return entries


def read_lines(file: Path) -> list[dict[str, Any]]:
    """Return the JSON objects of a file with one on each line, or nothing; a ``UserError`` for another file."""
    found = []
    try:
        lines = file.read_bytes().decode("utf-8-sig").split("\n")
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read: {first_line(error)}.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{file}: line {number} cannot be read as JSON: {first_line(error)}.") from error
        if not isinstance(entry, dict):
            raise UserError(f"{file}: line {number} holds no JSON object, but {type(entry).__name__}.")
        found.append(entry)
    return found


def check_texts(file: Path, key: str, entry: Any, texts: Collection[str]) -> None:
    """Raise a ``UserError`` for an entry that is no object, or that lacks one of the fields ``texts``."""
    if not isinstance(entry, Mapping):
        raise UserError(f"{file}: entry {key} is no object, but {type(entry).__name__}.")
    for name in texts:
        if not isinstance(entry.get(name), str):
            close = "" if name in entry else nearest(name, entry)
            raise UserError(f"{file}: entry {key} needs '{name}', a text.{close}")
