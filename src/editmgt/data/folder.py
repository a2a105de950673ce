"""A directory of your own pairs: ``source/``, ``target/``, ``instructions.jsonl`` and, if you like, ``masks/``.

A line of ``instructions.jsonl`` is ``{"file": "0001", "instruction": "make the hat red"}``: the name that the pictures
share, with or without its ending; ``"type"`` and ``"caption"`` (what the target shows) are optional.
"""

import json
from pathlib import Path
from typing import Any

from editmgt.errors import UserError

INDEX = "instructions.jsonl"


def is_folder(path: Path) -> bool:
    """Whether ``path`` is a directory in this layout."""
    return (path / INDEX).is_file()


def read_folder(path: Path) -> dict[str, list[Any]]:
    """Return columns ``source``, ``target``, ``mask`` (paths or None), ``instruction``, ``caption`` and ``type``.

    A line that cannot be read, or whose pictures are missing, becomes a row of None, to be counted as bad; nothing
    shifts the rows after it. Texts are bytes where they are not UTF-8.
    """
    if not (path / "target").is_dir():
        raise UserError(f"{path} has {INDEX} but no folder target/.")
    pictures = {
        column: {file.stem: str(file) for file in sorted((path / folder).glob("*")) if file.is_file()}
        for column, folder in (("source", "source"), ("target", "target"), ("mask", "masks"))
    }
    columns: dict[str, list[Any]] = {
        name: [] for name in ("source", "target", "mask", "instruction", "caption", "type")
    }
    for line in (path / INDEX).read_bytes().splitlines():
        if not line.strip():
            continue
        try:
            # a byte that is not UTF-8 survives as a lone surrogate, and the row is told apart when it is read
            values = json.loads(line.decode("utf-8", "surrogateescape"))
            stem = Path(str(values["file"])).stem
        except (ValueError, KeyError, TypeError):
            values, stem = {}, ""
        for name in pictures:
            columns[name].append(pictures[name].get(stem))
        for name in ("instruction", "caption", "type"):
            text = values.get(name)
            columns[name].append(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else None)
    if not columns["target"]:
        raise UserError(f"{path / INDEX} holds no line.")
    return columns
