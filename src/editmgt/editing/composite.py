"""Bringing an edit back into the user's own picture: outside the edited region every pixel stays as it was.

An edit is made small and comes out of the codec: scaled up it is a blur, whatever the picture is. So inside the region too
the picture keeps its own detail, wherever the edit keeps the structure that is seen at the size it is made at
(:func:`with_detail`). ``benchmarks/composites.py`` compares this with pasting the edit, which blurs what is only recoloured, and
with adding what it changes, which lets what is covered or removed shine through.
Shapes: H W codes.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter
from scipy import ndimage
from torch import Tensor

from editmgt.editing.images import resize
from editmgt.editing.masks import MaskLike, may_change, read_mask
from editmgt.editing.original import DEEP_GREY
from editmgt.editing.samples import Sample

REACH = 2  # pixels of the edit around each in which its structure is looked for
FLAT = 6.0  # variance, of levels up to 255, that is no structure: there the source's detail stays


def composite_of(sample: Sample, picture: Image.Image, changed_HW: Tensor, feather: bool) -> Image.Image:
    """Return a sample's original with ``picture``, its edit in full size, where that changed codes; ``feather`` blends by its mask."""
    size, grid = picture.size, changed_HW.shape
    # a feathered mask's own greys are the seam at its border
    hard = None if feather or sample.mask is None else may_change(sample.mask)
    region = edited_region(changed_HW, size, hard)
    seam = (size[0] / grid[1], size[1] / grid[0])
    own = sample.original.take(picture)
    return paste(sample.original.base, own, region, seam, sample.mask if feather else None)


def edited_region(changed_HW: Tensor, size: tuple[int, int], mask: MaskLike | None = None) -> Image.Image:
    """Return where an edit may show in a picture of ``size`` (width, height): mode L, white or black.

    That is the codes that ``changed`` and one code around them, for a decoder's pixels follow its neighbouring codes
    too (the miniature's by 16 of 255 in that ring, 7 in the next, after any code in place of another); where the user gave
    a ``mask``, what may change there alone.
    """
    grown_HW = F.max_pool2d(changed_HW[None, None].float().cpu(), 3, stride=1, padding=1)[0, 0]
    region = Image.fromarray(grown_HW.numpy().astype(np.uint8) * 255)
    region = region.resize(size, Image.Resampling.NEAREST)
    if mask is None:
        return region
    allowed = may_change(read_mask(mask, size=size))
    return ImageChops.darker(region, Image.fromarray(allowed.astype(np.uint8) * 255))


def with_detail(source: Image.Image, edited: Image.Image, decoded: Image.Image) -> Image.Image:
    """Return ``edited`` in the size of ``source``, with the source's detail where it keeps the source's structure.

    What the codec and the size lose of the source, source - decoded, is added to the edit by the share of the local
    structure that the edit keeps: the slope of edited over decoded in a window, as a guided filter finds it
    (He et al. 2013), in brightness, from 0 to 1. A recoloured thing keeps its texture, a new one has none of the old.

    Args:
        source: the picture, mode RGB, any size.
        edited: the edit's codes through the decoder, mode RGB, in the size that was edited at.
        decoded: the source's codes through the decoder, likewise.
    """
    share = Image.fromarray((_kept_structure(edited, decoded) * 255).round().astype(np.uint8))
    share = share.resize(source.size, Image.Resampling.BILINEAR)
    kept = np.asarray(share, np.float32) / 255
    large, before = resize(edited, source.size), resize(decoded, source.size)
    bands = []
    for own, new, old in zip(source.split(), large.split(), before.split(), strict=True):
        lost = np.asarray(own, np.float32) - np.asarray(old)
        bands.append(Image.fromarray((np.asarray(new) + kept * lost).round().clip(0, 255).astype(np.uint8)))
    return Image.merge("RGB", bands)


def _kept_structure(edited: Image.Image, decoded: Image.Image) -> NDArray[np.float32]:
    """How much of the structure around each pixel of ``decoded`` is in ``edited`` [H,W], 0 to 1."""
    new, old = (
        torch.from_numpy(np.asarray(picture.convert("L"), np.float32)) for picture in (edited, decoded)
    )

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(values[None], 2 * REACH + 1, 1, REACH, count_include_pad=False)[0]

    covariance = mean(new * old) - mean(new) * mean(old)
    variance = mean(old * old) - mean(old).square()
    return ((covariance + FLAT) / (variance + FLAT)).clip(0, 1).numpy()


def paste(
    source: Image.Image,
    edited: Image.Image,
    region: Image.Image,
    seam: tuple[float, float],
    levels: Image.Image | None = None,
) -> Image.Image:
    """Show ``edited`` in the ``region`` and ``source`` elsewhere, bit for bit; all are of one size, both in one mode.

    The seam lies inside the region and is ``seam`` pixels (across, down) wide, less in a part of the region that has no
    room for it. ``levels``, a mask's, say how much of the edit may show: none at 0, all at 255.
    """
    shown = _shown(region, seam)
    if levels is not None:
        shown = ImageChops.darker(shown, levels)
    pasted = _blended(edited, source, shown)
    pasted.info = dict(source.info)
    return pasted


def _shown(region: Image.Image, seam: tuple[float, float]) -> Image.Image:
    """Return how much of an edit shows, 0 to 255, with a seam that is halved, at last to none, where it has no room.

    A speck, a thin stroke or the strip that a mask leaves of a code would else show nothing of the edit.
    """
    shown, narrow = np.asarray(_faded(region, seam)), np.asarray(region) > 0
    depth = None  # of each pixel in the region: how many away the nearest is that is not of it
    while any(seam) and (narrow := _without_room(narrow, narrow & (shown == 255), seam)).any():
        depth = ndimage.distance_transform_cdt(region) if depth is None else depth
        deepest = depth[narrow].max()
        seam = (seam[0] // 2, seam[1] // 2)
        while min(seam) >= deepest:  # nowhere is there room: to try would take long and change nothing
            seam = (seam[0] // 2, seam[1] // 2)
        shown = np.where(narrow, np.asarray(_faded(region, seam)), shown)
    return Image.fromarray(shown)


def _without_room(
    region_HW: NDArray[np.bool_], full_HW: NDArray[np.bool_], seam: tuple[float, float]
) -> NDArray[np.bool_]:
    """Return the places of a region that lie beyond a seam's width, inside it, of all that a seam has room in.

    That is the square of the blur around each pixel that shows the edit in full. Corners lie nearer, and are no such place.
    """
    if not full_HW.any():
        return region_HW
    across, down = (math.ceil(side) for side in seam)
    square, reach = np.ones((3, 3)), max(across, down, 1)
    roomy_HW = region_HW & ndimage.maximum_filter(full_HW, (2 * down + 1, 2 * across + 1))
    rest_HW = region_HW & ~roomy_HW
    if not rest_HW.any():  # of most regions: what follows takes long
        return rest_HW
    beyond_HW = region_HW & ~ndimage.binary_dilation(roomy_HW, square, reach, mask=region_HW)
    # and back, to where the room ends
    return ndimage.binary_dilation(beyond_HW, square, reach, mask=rest_HW)


def _faded(region: Image.Image, seam: tuple[float, float]) -> Image.Image:
    # At a straight border half of the blur's window is white: there the edit begins to show.
    blurred = region.filter(ImageFilter.BoxBlur(seam)).point(
        [max(0, 2 * value - 255) for value in range(256)]
    )
    return ImageChops.darker(blurred, region)


def _blended(edited: Image.Image, source: Image.Image, shown: Image.Image) -> Image.Image:
    if source.mode == DEEP_GREY:
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
