"""Bringing an edit back into the user's own picture: outside the edited region every pixel stays as it was.

Shapes: H W codes.
"""

import numpy as np
import torch.nn.functional as F
from PIL import Image, ImageChops, ImageFilter
from torch import Tensor

from editmgt.editing.masks import MaskLike, may_change, read_mask
from editmgt.editing.original import DEEP_GREY


def edited_region(changed_HW: Tensor, size: tuple[int, int], mask: MaskLike | None = None) -> Image.Image:
    """Return where an edit may show in a picture of ``size`` (width, height): mode L, white or black.

    That is the codes that ``changed`` and one code around them, for a decoder's pixels follow its neighbouring codes
    too; where the user gave a ``mask``, what may change there alone.
    """
    grown_HW = F.max_pool2d(changed_HW[None, None].float().cpu(), 3, stride=1, padding=1)[0, 0]
    region = Image.fromarray(grown_HW.numpy().astype(np.uint8) * 255)
    region = region.resize(size, Image.Resampling.NEAREST)
    if mask is None:
        return region
    allowed = may_change(read_mask(mask, size=size))
    return ImageChops.darker(region, Image.fromarray(allowed.astype(np.uint8) * 255))


def paste(
    source: Image.Image,
    edited: Image.Image,
    region: Image.Image,
    seam: tuple[float, float],
    levels: Image.Image | None = None,
) -> Image.Image:
    """Show ``edited`` in the ``region`` and ``source`` elsewhere, bit for bit; all are of one size, both in one mode.

    The seam lies inside the region and is ``seam`` pixels (across, down) wide. ``levels``, a mask's, say how much of
    the edit may show: none at 0, all at 255.
    """
    # At a straight border half of the blur's window is white: there the edit begins to show.
    blurred = region.filter(ImageFilter.BoxBlur(seam)).point(
        [max(0, 2 * value - 255) for value in range(256)]
    )
    shown = ImageChops.darker(blurred, region)
    if levels is not None:
        shown = ImageChops.darker(shown, levels)
    pasted = _blended(edited, source, shown)
    pasted.info = dict(source.info)
    return pasted


def _blended(edited: Image.Image, source: Image.Image, shown: Image.Image) -> Image.Image:
    if source.mode in DEEP_GREY:
        share, old = np.asarray(shown) / 255, np.asarray(source)
        return Image.fromarray(
            (old + share * (np.asarray(edited) - old.astype(float))).round().astype(old.dtype)
        )
    if source.mode == "RGBA":
        # a transparent pixel's colour is nobody's: it must not shine into the seam, nor change outside it
        mixed = Image.composite(edited.convert("RGBa"), source.convert("RGBa"), shown).convert("RGBA")
        mixed.paste(source, mask=shown.point([255] + [0] * 255))
        mixed.paste(edited, mask=shown.point([0] * 255 + [255]))
        return mixed
    return Image.composite(edited, source, shown)


def largest_change(source: Image.Image, edited: Image.Image, region: Image.Image) -> int:
    """Return how far any channel outside the ``region`` is from the source: up to 255, or to 65,535 of 16 bits."""
    outside = np.asarray(region) == 0
    difference = np.abs(np.asarray(edited).astype(int) - np.asarray(source))[outside]
    return int(difference.max(initial=0))
