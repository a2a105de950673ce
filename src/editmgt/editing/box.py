"""A box in numbers that says where the picture may change: in percent, so that it is one for pictures of any size."""

import re

from PIL import Image, ImageDraw

from editmgt.errors import UserError

Box = tuple[float, float, float, float]  # left, top, right, bottom


def read_box(text: str) -> Box:
    """Return left, top, right and bottom, in percent of the picture; a ``UserError`` for what is no box."""
    try:
        left, top, right, bottom = (float(number) for number in re.split(r"[\s,;]+", text.strip()))
    except ValueError:
        raise UserError(
            f"The box '{text}' must be four numbers, left,top,right,bottom in percent, such as 10,20,60,80."
        ) from None
    if not (0 <= left < right <= 100 and 0 <= top < bottom <= 100):
        raise UserError(f"The box '{text}' must have left < right and top < bottom, from 0 to 100 percent.")
    return left, top, right, bottom


def write_box(box: Box) -> str:
    """Return the text that a command line takes."""
    return ",".join(f"{share:g}" for share in box)


def box_mask(size: tuple[int, int], box: Box) -> Image.Image:
    """Return a mask of ``size`` (width, height), mode L, white in the box, which has a pixel however small it is."""
    mask = Image.new("L", size)
    (left, right), (top, bottom) = (
        (min(round(low / 100 * side), side - 1), round(high / 100 * side))
        for low, high, side in zip(box[:2], box[2:], size, strict=True)
    )
    # the last pixel of a rectangle is part of it
    ImageDraw.Draw(mask).rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), fill=255)
    return mask
