"""Where the picture may change: what was drawn on a view of it, and a box."""

import re
from collections.abc import Sequence

from PIL import Image, ImageChops, ImageDraw

from editmgt.errors import UserError


def read_box(text: str) -> tuple[float, float, float, float] | None:
    """Return left, top, right and bottom, in percent of the picture; None for an empty text, a ``UserError`` for no box."""
    if not text.strip():
        return None
    try:
        left, top, right, bottom = (float(number) for number in re.split(r"[\s,;]+", text.strip()))
    except ValueError:
        raise UserError(
            f"The box '{text}' must be four numbers, left top right bottom in percent, such as 10 20 60 80."
        ) from None
    if not (0 <= left < right <= 100 and 0 <= top < bottom <= 100):
        raise UserError(f"The box '{text}' must have left < right and top < bottom, from 0 to 100 percent.")
    return left, top, right, bottom


def make_mask(
    size: tuple[int, int], layers: Sequence[Image.Image], box: tuple[float, float, float, float] | None
) -> Image.Image | None:
    """Return a mask of ``size``, mode L, white where something was drawn or the box is; None where neither is.

    Args:
        size: (width, height) of the picture.
        layers: drawings on a view of it, mode RGBA.
        box: as :func:`read_box` returns it.
    """
    mask = Image.new("L", size)
    for layer in layers:
        drawn = layer.getchannel("A").point([0] + [255] * 255)
        mask = ImageChops.lighter(mask, drawn.resize(size, Image.Resampling.NEAREST))
    if box is not None:
        left, top, right, bottom = (
            round(share / 100 * side) for share, side in zip(box, (*size, *size), strict=True)
        )
        # the last pixel of a rectangle is part of it
        ImageDraw.Draw(mask).rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), fill=255)
    return mask if mask.getbbox() else None
