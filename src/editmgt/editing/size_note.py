"""What is said before an edit of pictures that are larger than an editor edits at, in the command and in the page."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from editmgt import assets
from editmgt.editing.images import working_size
from editmgt.errors import UserError
from editmgt.weights import split

if TYPE_CHECKING:
    from editmgt.editing.editor import Editor

WORTH_SAYING = 2  # times as wide and high as it is edited


def size_note(
    editor: "Editor",
    sizes: Sequence[tuple[int, int]],
    checkpoint: Path | str,
    composite: bool,
    remedy: str = "--composite",
) -> str:
    """Return a line on what an edit loses of pictures of these sizes, however many they are; "" where it is not worth one.

    Args:
        editor: that will edit them.
        sizes: width and height of each.
        checkpoint: its name: a shipped one has seen drawn scenes alone.
        composite: whether the edit is put back into the picture.
        remedy: what the user is told to ask for where it is not.
    """
    reduced = []
    for width, height in sizes:
        try:
            across, down = working_size((width, height), editor.settings.resolution, editor.pixels_per_cell)
        except UserError:  # too narrow to be edited: said where it is
            continue
        if width * height >= WORTH_SAYING**2 * across * down:
            reduced.append(f"{width}x{height} pixels and is edited at {across}x{down}")
    if not reduced:
        return ""
    which = (
        "the picture"
        if len(sizes) == 1
        else f"{len(reduced)} of {len(sizes)} pictures are reduced: the first"
    )
    rest = (
        "what is edited has no finer detail than that, and the rest of the picture stays as it is"
        if composite
        else f"all finer detail is lost ({remedy} keeps it where nothing is edited)"
    )
    place, _ = split(checkpoint)
    seen = (
        f" {place} has learnt from drawings of plain shapes, not from photographs."
        if place in assets.names()
        else ""
    )
    return f"Note: {which} has {reduced[0]}: {rest}.{seen}"
