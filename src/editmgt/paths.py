"""Checks of names and paths that come with a data set: they must lead into it."""

from pathlib import Path

from editmgt.errors import UserError

_LONGEST = 200  # bytes of a name: leaves room for endings and for the temporary name that is written first


def within(root: Path, name: str, told: str) -> Path:
    """Return ``root / name``.

    Args:
        root: the data set's directory.
        name: what a file of the data set says.
        told: what names it there, for the error.

    Raises:
        UserError: where it lies outside ``root``: as an absolute path, by parent folders, or by a link.
    """
    try:
        inside = (root / name).resolve().is_relative_to(root.resolve())
    except (OSError, ValueError):  # a name that no file system takes
        inside = False
    if not inside:
        raise UserError(
            f"{told} '{name}' leads out of {root}: a data set's pictures lie in its own directory."
        )
    return root / name


def is_file_name(text: str) -> bool:
    """Whether ``text`` is the name of one file in a directory, and no path, with room for an ending."""
    if text in ("", ".", "..") or any(letter in text for letter in "/\\\0"):
        return False
    return len(text.encode("utf-8", "replace")) <= _LONGEST
