"""Your own benchmark: ``source/``, ``instructions.jsonl`` and, as far as there are any, ``target/`` and ``masks/``.

A line of ``instructions.jsonl`` is ``{"file": "0001", "instruction": "make the hat red"}``: the name that the
pictures share, with or without its ending; ``"type"`` and ``"caption"`` (what the target shows) are optional.
"""

import json
from pathlib import Path
from typing import Any

from editmgt.benchmarks.pictures import mask, picture
from editmgt.benchmarks.sample import BenchmarkSample
from editmgt.benchmarks.tables import Record, Table
from editmgt.errors import UserError

INDEX = "instructions.jsonl"
_SHOWN = 10  # unmatched files that are named


def folder(path: str) -> Table:
    """Return the rows of a directory, in the order of its instructions.

    Raises:
        UserError: for a directory of another layout, lines that are no instructions, and files that belong to no
            instruction or instructions that lack a file (all of them are counted, the first ones named).
    """
    directory = Path(path)
    if not (directory / INDEX).is_file() or not (directory / "source").is_dir():
        raise UserError(f"benchmark.path={path} needs a folder source/ and a file {INDEX}.")
    files_of = {
        name: [file for file in sorted((directory / name).glob("*")) if not file.name.startswith(".")]
        for name in ("source", "target", "masks")
    }
    pictures = {name: {file.stem: file for file in files} for name, files in files_of.items()}
    lines = _lines(directory / INDEX, pictures["source"])
    twice = [
        f"{name}/{file.name} and {name}/{pictures[name][file.stem].name} have one name"
        for name, files in files_of.items()
        for file in files
        if file != pictures[name][file.stem]
    ]
    _check_matches(path, lines, pictures, twice)
    records: list[Record] = [
        {
            **line,
            "file": stem,
            **{name: str(found[stem]) for name, found in pictures.items() if stem in found},
        }
        for stem, line in lines.items()
    ]
    files = [Path(record[name]) for record in records for name in pictures if name in record]
    lacks = [field for field, name in (("target", "target"), ("edit_mask", "masks")) if not pictures[name]]
    return Table(records, _sample, files, lacks)


def _sample(row: Record, index: int) -> BenchmarkSample:
    source = picture(row["source"])
    target = picture(row["target"]) if "target" in row else None
    return BenchmarkSample(
        sample_id=row["file"],
        source_id=row["file"],
        source=source,
        instruction=row["instruction"],
        edit_type=row.get("type", ""),
        target=target,
        edit_mask=mask(row.get("masks"), (source if target is None else target).shape[:2]),
        target_caption=row.get("caption", ""),
    )


def _stem(name: str, sources: dict[str, Path]) -> str:
    """Which stem a line means: a dot in it need not begin an ending."""
    stem = Path(name).stem
    if stem in sources and (name not in sources or sources[stem].name == name):
        return stem
    return name


def _lines(path: Path, sources: dict[str, Path]) -> dict[str, dict[str, Any]]:
    """The instructions by the stem of their file."""
    found: dict[str, dict[str, Any]] = {}
    wrong = []
    for number, text in enumerate(path.read_text().splitlines(), 1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
            stem = _stem(line["file"], sources)
            if not isinstance(line["instruction"], str) or stem in found:
                raise ValueError
            found[stem] = line
        except (ValueError, KeyError, TypeError):
            wrong.append(str(number))
    if wrong:
        raise UserError(
            f'{path}, line {", ".join(wrong)}: each needs "file", which no other line has, and "instruction".'
        )
    if not found:
        raise UserError(f"{path} holds no instruction.")
    return found


def _check_matches(
    path: str, lines: dict[str, Any], pictures: dict[str, dict[str, Path]], twice: list[str]
) -> None:
    needed = ("source", *(name for name in ("target",) if pictures[name]))
    lacking = [f"{name}/{stem} is missing" for name in needed for stem in lines if stem not in pictures[name]]
    extra = [
        f"{name}/{file.name} has no instruction"
        for name, found in pictures.items()
        for stem, file in found.items()
        if stem not in lines
    ]
    if unmatched := twice + lacking + extra:
        rest = f" and {len(unmatched) - _SHOWN} more" if len(unmatched) > _SHOWN else ""
        raise UserError(
            f"benchmark.path={path}: {len(unmatched)} files do not match: {'; '.join(unmatched[:_SHOWN])}{rest}."
        )
