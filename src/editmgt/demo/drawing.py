"""Where the picture may change: what was drawn on a view of it."""

from collections.abc import Sequence

from PIL import Image, ImageChops


def drawn_mask(size: tuple[int, int], layers: Sequence[Image.Image]) -> Image.Image | None:
    """Return a mask of ``size``, mode L, white where something was drawn; None where nothing was.

    Args:
        size: (width, height) of the picture.
        layers: drawings on a view of it, mode RGBA.
    """
    mask = Image.new("L", size)
    for layer in layers:
        drawn = layer.getchannel("A").point([0] + [255] * 255)
        mask = ImageChops.lighter(mask, drawn.resize(size, Image.Resampling.NEAREST))
    return mask if mask.getbbox() else None
