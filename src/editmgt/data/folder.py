"""A directory of your own pictures: ``source/``, ``instructions.jsonl`` and, as far as there are any, ``target/`` and ``masks/``.

A line of ``instructions.jsonl`` is ``{"file": "0001", "instruction": "make the hat red"}``: the name that the pictures
share, with or without its ending; ``"type"`` and ``"caption"`` (what the target shows) are optional. Several lines may
name one file. Where there is a ``target/`` (or a ``source/``) it has a picture for every line; a mask may be missing.

Training and benchmark read it here, by the same rules: what the names and lines alone tell is told before anything
starts; a picture that cannot be read, or that fits its source badly, is a row of its own that fails.
"""

import codecs
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from editmgt.errors import UserError, nearest
from editmgt.paths import is_file_name, within

INDEX = "instructions.jsonl"
MAX_ASPECT_CHANGE = 0.1  # a target of another shape by more than this is compared with nothing
_FOLDERS = {"source": "source", "target": "target", "mask": "masks"}
_TEXTS = ("instruction", "caption", "type")
_KEYS = ("file", *_TEXTS)
_SHOWN = 10  # mistakes that are told one by one


@dataclass(frozen=True)
class FolderRow:
    """One line; texts that it does not give are empty, pictures that are not there None.

    ``name`` is unique: the file's name without its ending, and a number from the second line on that names it.
    """

    name: str
    stem: str
    instruction: str
    caption: str
    type: str
    source: Path | None
    target: Path | None
    mask: Path | None


def is_folder(path: Path) -> bool:
    """Whether ``path`` is a directory in this layout."""
    return (path / INDEX).is_file()


def read_folder(path: Path, key: str, needs: Collection[str]) -> list[FolderRow]:
    """Return the rows in the order of the lines; each has what it ``needs`` of ``source``, ``target`` and ``instruction``.

    A ``UserError``, which begins with the setting ``key``, for another layout, lines that cannot be read, and files and lines
    that do not belong to each other; the first mistakes are named.
    """
    folders = [folder for name, folder in _FOLDERS.items() if name in needs]
    if not is_folder(path) or any(not (path / folder).is_dir() for folder in folders):
        wanted = " and ".join(f"a folder {folder}/" for folder in folders)
        raise UserError(f"{key}={path} needs {wanted} and a file {INDEX}.")
    files = {name: _files(path, folder, key) for name, folder in _FOLDERS.items()}
    pictures = {name: {file.stem: file for file in found} for name, found in files.items()}
    lines = _lines(path / INDEX, "instruction" in needs)
    stem_of = {file.name: file.stem for found in files.values() for file in found}
    stems = [_stem(str(line["file"]), stem_of) for line in lines]
    _check_matches(f"{key}={path}", files, pictures, stems, needs)
    return [
        FolderRow(
            name=name,
            stem=stem,
            instruction=line.get("instruction") or "",
            caption=line.get("caption") or "",
            type=line.get("type") or "",
            source=pictures["source"].get(stem),
            target=pictures["target"].get(stem),
            mask=pictures["mask"].get(stem),
        )
        for name, stem, line in zip(_unique(stems), stems, lines, strict=True)
    ]


def folder_columns(path: Path, key: str) -> dict[str, list[Any]]:
    """Return a training set's rows as columns ``source``, ``target``, ``mask`` (paths) and ``instruction``, ``caption``,
    ``type`` (texts); None where a line gives none. Errors as :func:`read_folder`."""
    rows = read_folder(path, key, needs=("target",))
    pictures = {name: [str(getattr(row, name) or "") or None for row in rows] for name in _FOLDERS}
    return pictures | {name: [getattr(row, name) or None for row in rows] for name in _TEXTS}


def _files(path: Path, folder: str, key: str) -> list[Path]:
    """The pictures of one of the folders; a link that leads out of the directory is refused."""
    if not (path / folder).is_dir():
        return []
    where = within(path, folder, f"{key}: the folder")
    files = [file for file in sorted(where.iterdir()) if not file.name.startswith(".")]
    for file in files:
        if file.is_symlink():
            within(path, f"{folder}/{file.name}", f"{key}: the picture")
    return [file for file in files if file.is_file()]


def _lines(index: Path, instructed: bool) -> list[dict[str, Any]]:
    """The lines' values, each known to be of the right kind."""
    content = index.read_bytes().removeprefix(codecs.BOM_UTF8)
    found, wrong = [], []
    # splitlines would also cut at line separators inside a text, which JSON allows there
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.strip():
            try:
                found.append(_line(line, instructed))
            except ValueError as error:
                wrong.append(f"line {number}: {error}")
    if len(wrong) == 1:
        raise UserError(f"{index}, {wrong[0]}.")
    if wrong:
        raise UserError(f"{index} has {len(wrong)} wrong lines: {_told(wrong)}.")
    if not found:
        raise UserError(f"{index} holds no line.")
    return found


def _line(content: bytes, instructed: bool) -> dict[str, Any]:
    """Read one line; what is wrong with it is a ``ValueError``."""
    try:
        values = json.loads(content.decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1} is not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON ({error})") from error
    if not isinstance(values, dict):
        raise ValueError('not an object such as {"file": "0001", "instruction": "make the hat red"}')
    if unknown := [key for key in values if key not in _KEYS]:
        raise ValueError(
            f"unknown key '{unknown[0]}', it may have {', '.join(_KEYS)}{nearest(unknown[0], _KEYS)}"
        )
    file = values.get("file")
    if not isinstance(file, str | int) or isinstance(file, bool):
        raise ValueError('it needs "file", the name that the pictures share')
    if not is_file_name(str(file)):
        raise ValueError(f"\"file\" must be the name of a picture, not '{str(file)[:80]}'")
    for key in _TEXTS:
        text = values.get(key)
        if not isinstance(text, str | None):
            raise ValueError(f'"{key}" must be a text, not {json.dumps(text)[:80]}')
        try:
            (text or "").encode()
        except UnicodeEncodeError as error:  # half of a pair of escapes
            raise ValueError(f'"{key}" is not valid Unicode') from error
    if not (values.get("instruction") or "").strip() and (instructed or not values.get("caption")):
        raise ValueError('it needs "instruction", what to change')
    return values


def _stem(file: str, stem_of: Mapping[str, str]) -> str:
    """Which pictures a line means: a dot in a name need not begin an ending."""
    from PIL import Image

    if file in stem_of:
        return stem_of[file]
    bare = Path(file)
    return bare.stem if bare.suffix.lower() in Image.registered_extensions() else file


def _unique(stems: list[str]) -> list[str]:
    """A name for each line: its stem, and from the second line of one on a number that no other name has."""
    taken, names = {*stems}, []
    seen: set[str] = set()
    for stem in stems:
        name, number = stem, 1
        while name in seen or (number > 1 and name in taken):
            number += 1
            name = f"{stem}-{number}"
        seen.add(name)
        names.append(name)
    return names


def _check_matches(
    place: str,
    files: Mapping[str, list[Path]],
    pictures: Mapping[str, Mapping[str, Path]],
    stems: list[str],
    needs: Collection[str],
) -> None:
    wrong = [
        f"{_FOLDERS[name]}/{file.name} and {_FOLDERS[name]}/{pictures[name][file.stem].name} have one name"
        for name, found in files.items()
        for file in found
        if file != pictures[name][file.stem]
    ]
    for name, found in pictures.items():
        if name in needs or (found and name != "mask"):
            lacking = [stem for stem in dict.fromkeys(stems) if stem not in found]
            wrong += [f"{_FOLDERS[name]}/{stem} is missing" for stem in lacking]
    named = {*stems}
    for name, found in pictures.items():
        wrong += [
            f"{_FOLDERS[name]}/{file.name} has no instruction"
            for stem, file in found.items()
            if stem not in named
        ]
    if wrong:
        raise UserError(f"{place}: {len(wrong)} files do not match: {_told(wrong)}.")


def _told(mistakes: list[str]) -> str:
    rest = f" and {len(mistakes) - _SHOWN} more" if len(mistakes) > _SHOWN else ""
    return "; ".join(mistakes[:_SHOWN]) + rest
