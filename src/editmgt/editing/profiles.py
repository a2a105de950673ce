"""Colour profiles: from a picture's own colours to sRGB, which the models know, and back."""

from functools import lru_cache, partial
from io import BytesIO
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms

_MODES = ("RGB", "CMYK", "L")  # that a profile can be for
_STEPS = 9  # levels of each channel that a profile is compared with sRGB at
_transform = partial(
    ImageCms.buildTransform,
    renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
)


class _Way(NamedTuple):
    there: ImageCms.ImageCmsTransform
    back: ImageCms.ImageCmsTransform | None  # some profiles of scanners and presses know one direction


def to_srgb(image: Image.Image) -> Image.Image:
    """Return an RGB, CMYK or L picture in sRGB, mode RGB.

    One without a profile, or with one that is not for its mode or cannot be read, by Pillow's own conversion.
    """
    way = _way(image.info.get("icc_profile"), image.mode)
    return image.convert("RGB") if way is None else _applied(way.there, image)


def from_srgb(picture: Image.Image, mode: str, profile: bytes | None) -> Image.Image:
    """Return an sRGB picture in ``mode`` (RGB or CMYK) and the colours of ``profile``: :func:`to_srgb` undone."""
    way = _way(profile, mode)
    if way is None or way.back is None:
        return picture.convert(mode)
    return _applied(way.back, picture)


def can_return(mode: str, profile: bytes | None) -> bool:
    """Whether :func:`from_srgb` undoes :func:`to_srgb`."""
    way = _way(profile, mode)
    return way is None or way.back is not None


def _applied(transform: ImageCms.ImageCmsTransform, image: Image.Image) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # it is where nothing is done in place
    converted.info = {}
    return converted


@lru_cache(maxsize=16)  # a data set's pictures share a few profiles
def _way(profile: bytes | None, mode: str) -> _Way | None:
    """None where colours are taken as they are: no profile, none that is of use, or sRGB's own."""
    if not profile or mode not in _MODES:
        return None
    srgb = ImageCms.createProfile("sRGB")
    try:
        own = ImageCms.ImageCmsProfile(BytesIO(profile))
        there = _transform(own, srgb, mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    if mode == "RGB" and _changes_nothing(there):
        return None
    try:
        back = None if mode == "L" else _transform(srgb, own, "RGB", mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        back = None
    return _Way(there, back)


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether no colour moves by more than a level: the many files that name sRGB keep their numbers."""
    levels = np.linspace(0, 255, _STEPS).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(_STEPS, -1, 3)
    moved = np.asarray(ImageCms.applyTransform(Image.fromarray(cube), transform)).astype(int)
    return bool(np.abs(moved - cube).max() <= 1)
