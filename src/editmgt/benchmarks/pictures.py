"""Pictures and masks as data sets hold them, turned into arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editmgt.data.cells import is_missing, open_picture
from editmgt.data.folder import MAX_ASPECT_CHANGE
from editmgt.data.transform import aspects_differ
from editmgt.editing.images import upright_rgb
from editmgt.editing.masks import may_change, read_mask

_BORDER = 1  # pixels that PIE-Bench adds to every mask, "to avoid annotation errors in boundary"


def picture(value: Any) -> NDArray[np.uint8]:
    """Return uint8 [H, W, 3] of a cell, as :func:`editmgt.data.cells.open_picture` reads it."""
    return np.asarray(upright_rgb(open_picture(value, "the picture")))


def mask(
    value: Any, size: tuple[int, int], painted_on: tuple[int, int], hole: bool = False
) -> NDArray[np.bool_] | None:
    """Return bool (height, width) = ``size``, True where an edit may change something; None where there is no picture.

    A mask of another size is stretched to it, of another shape (as when painted on a picture that was not turned upright) a
    ``ValueError``. ``painted_on`` is the size of the picture that the mask is of; ``hole``: see
    :func:`editmgt.editing.masks.read_mask`.
    """
    if is_missing(value):
        return None
    levels = read_mask(open_picture(value, "the mask"), hole=hole)
    if differ := aspects_differ([painted_on[::-1], levels.size], MAX_ASPECT_CHANGE):
        raise ValueError(f"the mask has another shape than its picture: {differ}")
    if levels.size != size[::-1]:
        levels = levels.resize(size[::-1], Image.Resampling.NEAREST)
    return may_change(levels)


def run_length_mask(value: str | Sequence[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return PIE-Bench's mask: pairs of (start, length) over the rows, and the border of the picture.

    ``size`` is (height, width); ``value`` may be a list or its numbers in a text.
    """
    numbers = (
        [int(text) for text in value.replace(",", " ").strip("[] ").split()]
        if isinstance(value, str)
        else value
    )
    if len(numbers) % 2:
        raise ValueError("a run-length mask needs pairs of start and length")
    flat: NDArray[np.bool_] = np.zeros(size[0] * size[1], dtype=bool)
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        flat[start : start + length] = True
    inside = flat.reshape(size)
    inside[:_BORDER] = inside[-_BORDER:] = inside[:, :_BORDER] = inside[:, -_BORDER:] = True
    return inside
