"""Pictures in and out: any mode and orientation to upright RGB, working sizes, pixels as tensors, masks."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor

from editmgt.errors import UserError

ImageLike = Image.Image | np.ndarray  # arrays: uint8, HxW or HxWx3 or HxWx4


def read_image(path: Path | str) -> Image.Image:
    """Read a whole picture from disk; a missing, truncated or foreign file is a ``UserError``."""
    if not Path(path).is_file():
        raise UserError(f"There is no image file '{path}'.")
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except Exception as error:  # Pillow's decoders raise a dozen kinds of error over a broken file
        raise UserError(f"'{path}' cannot be read as an image: {error}".splitlines()[0]) from error


def upright_rgb(image: ImageLike) -> Image.Image:
    """Return the picture as it is meant to be seen, in RGB: upright by EXIF, transparency over white."""
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8:
            raise UserError(f"An image array must be uint8, not {image.dtype}.")
        image = Image.fromarray(image)
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def working_size(size: tuple[int, int], resolution: int, multiple: int) -> tuple[int, int]:
    """Return the (width, height) an image of ``size`` is edited at.

    The aspect ratio is kept, the area is about ``resolution``^2, both sides are multiples of ``multiple``.
    """
    scale = resolution / (size[0] * size[1]) ** 0.5
    width, height = (max(1, round(side * scale / multiple)) * multiple for side in size)
    return width, height


def resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Resize with an antialiasing filter; a picture that fits is returned as it is."""
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)


def to_pixels(image: Image.Image) -> Tensor:
    """Return an RGB picture as floats [3,H,W] in [0, 1]."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def to_image(pixels_3HW: Tensor) -> Image.Image:
    """Return floats in [0, 1] as an RGB picture."""
    values = (pixels_3HW.float() * 255).round().to(torch.uint8)
    return Image.fromarray(values.permute(1, 2, 0).cpu().numpy())


def codes_that_may_change(mask: ImageLike, size: tuple[int, int], grid: tuple[int, int]) -> Tensor:
    """Bring a mask at image resolution (white, or True, may change) to codes: bool [h,w] on the CPU.

    A code may change as soon as one of its pixels may. ``size`` is the image's (width, height), ``grid`` the
    codes' (rows, columns).
    """
    if isinstance(mask, np.ndarray):
        mask = Image.fromarray(mask.astype(np.uint8) * 255 if mask.dtype == np.bool_ else mask)
    grey = np.array(ImageOps.exif_transpose(mask).convert("L"))
    if grey.shape != size[::-1]:
        raise UserError(
            f"The mask is {grey.shape[1]}x{grey.shape[0]} pixels but its image {size[0]}x{size[1]}."
        )
    white = torch.from_numpy(grey >= 128)
    return F.adaptive_max_pool2d(white[None, None].float(), grid)[0, 0] > 0
