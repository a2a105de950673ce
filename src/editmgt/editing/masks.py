"""Masks: the one reader of what people paint, publish or compute, from whatever it is to which pixels may change.

A mask is read as levels, 0 to 255: 255 may change, 0 stays, and where one threshold is needed it is the middle.

- Transparency that varies is the mask, whatever lies under it: opaque may change, as with strokes on an empty layer.
  Some data sets publish the picture itself with a transparent hole where it was edited (MagicBrush, for one): such a
  mask is read as a ``hole``, and what is transparent may change.
- All else is black and white, or grey: white may change. Colours are no mask.
- Values of 0 and 1 alone are black and white; 16 bits are scaled to 8; floating-point numbers run from 0 to 1.
- A mask without white is a mistake. Only an array of booleans may say that nothing may change, for it has no scale
  that could have been misread.

Shapes: H W pixels, h w codes.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from editmgt.editing.images import upright
from editmgt.errors import UserError

MaskLike = Image.Image | NDArray[Any]  # arrays: HxW of any number type, or uint8 HxWx1 to HxWx4

THRESHOLD = 128  # levels from here on may change
_GREY = 32  # levels that the channels of a grey may differ by: what JPEG does to one
_CHANNELS = (2, 3, 4)  # of an array that Pillow reads as a picture


def read_mask(mask: MaskLike, *, size: tuple[int, int] | None = None, hole: bool = False) -> Image.Image:
    """Return a mask's levels as a picture in mode L, upright.

    Args:
        mask: a picture of any mode, or an array.
        size: (width, height) of its image, if the mask has to be of that size.
        hole: whether it is a picture with a transparent hole where it may change; one without transparency is read
            as any other mask.

    Raises:
        UserError: for what is no mask, is of another size, or lets nothing change.
    """
    levels_HW = _levels(mask, hole)
    height, width = levels_HW.shape
    if size is not None and (width, height) != size:
        raise UserError(f"The mask is {width}x{height} pixels but its image {size[0]}x{size[1]}.")
    exact = isinstance(mask, np.ndarray) and mask.dtype == np.bool_
    if not exact and levels_HW.max() < THRESHOLD:
        raise UserError(
            "The mask has no transparent hole: nothing could change."
            if hole
            else f"The mask has no white (its brightest level is {levels_HW.max()} of 255): nothing could change."
        )
    return Image.fromarray(levels_HW)


def may_change(levels: Image.Image, least: int = THRESHOLD) -> NDArray[np.bool_]:
    """Return which pixels may change, bool [H,W]: those of a level, as :func:`read_mask` returned it, of ``least`` up."""
    return np.asarray(levels) >= least


def codes_that_may_change(may_change_HW: NDArray[np.bool_], grid: tuple[int, int]) -> Tensor:
    """Bring what may change from pixels to codes: bool [h,w] on the CPU; ``grid`` is (rows, columns).

    A code may change as soon as one of its pixels may.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(may_change_HW))
    return F.adaptive_max_pool2d(pixels[None, None].float(), grid)[0, 0] > 0


def _levels(mask: MaskLike, hole: bool) -> NDArray[np.uint8]:
    if isinstance(mask, Image.Image):
        return _of_picture(upright(mask), hole)
    if not isinstance(mask, np.ndarray):
        raise UserError(f"A mask must be a PIL picture or a numpy array, not {type(mask).__name__}.")
    if mask.ndim == 3 and mask.shape[2] == 1:
        mask = mask[..., 0]
    if mask.ndim == 3 and mask.shape[2] in _CHANNELS and mask.dtype == np.uint8 and mask.size:
        return _of_picture(Image.fromarray(mask), hole)
    if mask.ndim != 2 or not mask.size:
        shape = "x".join(map(str, mask.shape)) or "no"
        raise UserError(f"A mask must be an array of height x width, not of {shape} {mask.dtype} numbers.")
    return _scaled(mask)


def _of_picture(picture: Image.Image, hole: bool) -> NDArray[np.uint8]:
    if picture.mode[0] in "IF":  # grey, deeper than 8 bits
        values = np.asarray(picture)
        return _scaled(values, of=0xFFFF if values.dtype.kind in "iu" else 1)
    if picture.has_transparency_data:
        alpha = np.asarray(picture.convert("RGBA").getchannel("A"))
        if alpha.min() != alpha.max() or not alpha.max():
            return 255 - _scaled(alpha) if hole else _scaled(alpha)
    rgb = np.asarray(picture.convert("RGB"))
    if (np.ptp(rgb, axis=2) > _GREY).any():
        raise UserError(
            "The mask has colours but no transparent hole: which part was cut out cannot be told."
            if hole
            else "The mask has colours: paint what may change white on black, or opaque on an empty layer."
        )
    return _scaled(np.asarray(picture.convert("RGB").convert("L")))


def _scaled(values: NDArray[Any], of: int | None = None) -> NDArray[np.uint8]:
    """Bring numbers to levels; ``of`` is what white is, where the type does not say."""
    kind = values.dtype.kind
    if kind == "b":
        return values.astype(np.uint8) * 255
    if kind not in "iuf":
        raise UserError(f"A mask must be of numbers, not of {values.dtype}.")
    if kind == "f" and not np.isfinite(values).all():
        raise UserError("A mask of floating-point numbers must be finite.")
    lowest, highest = values.min(), values.max()
    if of is None:
        of = 1 if kind == "f" else 0xFFFF if (kind, values.itemsize) == ("u", 2) else 0xFF
    if lowest < 0 or highest > of:
        raise UserError(
            f"A mask of {values.dtype} numbers must run from 0 to {of}; this one runs from {lowest} to {highest}."
        )
    if highest <= 1:
        return (
            (values * 255).round().astype(np.uint8)
            if kind == "f"
            else (values * np.uint8(255)).astype(np.uint8)
        )
    return (values >> 8 if of > 0xFF else values).astype(np.uint8)
