"""What the page's process and the editor's send each other."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Line:
    """A command line of ``edit.py``, and the folder where the files that it names lie."""

    arguments: list[str]
    folder: Path


@dataclass(frozen=True)
class Looked:
    """A picture that was read: its size (width, height), a view of it, and what an edit will lose of it, "" if little."""

    size: tuple[int, int]
    view: Path
    note: str


@dataclass(frozen=True)
class Edited:
    """An edit that was made.

    Attributes:
        edit: the file that ``edit.py`` writes.
        before, after, where, held: what is to be seen of it, all of one size.
        steps: step -> the tokens after it.
        lines: what was done, and what is to be known.
    """

    edit: Path
    before: Path
    after: Path
    where: Path
    held: Path
    steps: dict[int, Path]
    lines: list[str]
