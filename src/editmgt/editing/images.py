"""Pictures in and out: any mode and orientation to upright RGB, working sizes, pixels as tensors."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from editmgt.editing.profiles import to_srgb
from editmgt.errors import UserError, first_line

#: Arrays are uint8, HxW or HxWx1, 3 or 4 (grey, RGB, RGBA); tensors the same channels first, uint8 or floats in [0, 1].
ImageLike = Image.Image | np.ndarray | Tensor

#: Modes of 8-bit grey, with transparency or without.
GREY = ("L", "LA", "La")


def as_picture(image: ImageLike) -> Image.Image:
    """Return what was given as a loaded PIL picture, in whatever mode it has.

    Raises:
        UserError: for what is not :data:`ImageLike`, cannot be decoded, or has no pixels.
    """
    if isinstance(image, Tensor):
        image = _of_tensor(image)
    elif isinstance(image, np.ndarray):
        image = _of_array(image)
    elif isinstance(image, str | Path):
        raise UserError(f"{str(image)!r} is no picture: give a PIL image, as Image.open reads one.")
    elif not isinstance(image, Image.Image):
        raise UserError(
            f"An image must be a PIL picture, a uint8 array or a torch tensor, not {type(image).__name__}."
        )
    try:
        image.load()
    except Exception as error:  # Image.open reads the header alone: the rest may be broken
        raise UserError(f"The image cannot be read: {first_line(error)}") from error
    if not image.width or not image.height:
        raise UserError(f"The image is {image.width}x{image.height} pixels: it has none to edit.")
    return image


def _of_array(array: np.ndarray) -> Image.Image:
    if array.dtype != np.uint8:
        raise UserError(f"An image array must be uint8, not {array.dtype} (its shape is {_shape(array)}).")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in (3, 4)):
        raise UserError(
            f"An image array must be height x width, or height x width x 1, 3 or 4, not {_shape(array)} "
            f"({array.dtype}); give several images as a list."
        )
    return Image.fromarray(array)


def _of_tensor(tensor: Tensor) -> Image.Image:
    told = f"{_shape(tensor)} ({str(tensor.dtype).removeprefix('torch.')})"
    if tensor.ndim != 3 or tensor.shape[0] not in (1, 3, 4):
        raise UserError(
            f"An image tensor must be 1, 3 or 4 x height x width, not {told}; give several images as a list."
        )
    if tensor.dtype != torch.uint8:
        if not tensor.is_floating_point():
            raise UserError(f"An image tensor must be uint8, or floats from 0 to 1, not {told}.")
        tensor = tensor.detach().float()
        if not ((tensor >= 0) & (tensor <= 1)).all():  # NaN is neither
            raise UserError(f"An image tensor of floats must lie in 0 to 1; one of {told} does not.")
        tensor = (tensor * 255).round().to(torch.uint8)
    return _of_array(tensor.permute(1, 2, 0).cpu().numpy())


def _shape(array: np.ndarray | Tensor) -> str:
    return "x".join(map(str, array.shape)) or "a single number"


def upright_rgb(image: ImageLike) -> Image.Image:
    """Return the picture as it is meant to be seen, in 8-bit sRGB.

    Upright by EXIF; colours by the picture's own profile; transparency over white; of 16-bit grey the high byte, as
    Pillow reads 16-bit colour; CMYK without a profile by Pillow's conversion. Floating-point pictures have no known
    range, nor has grey beyond 16 bits: a ``UserError``.
    """
    image = upright(as_picture(image))
    if image.mode == "F":
        raise UserError("A picture of floating-point numbers has no known range: save it with 8 or 16 bits.")
    if image.mode.startswith("I"):
        grey = np.asarray(image)
        if grey.min() < 0 or grey.max() > 0xFFFF:
            raise UserError(
                f"A picture of greys from {grey.min()} to {grey.max()} has no known range: save it with 8 or 16 bits."
            )
        return Image.fromarray((grey >> 8).astype(np.uint8)).convert("RGB")
    try:
        seen = srgb_colours(image)
    except ValueError as error:  # LAB, which only its own profile explains
        raise UserError(f"A picture in {image.mode} cannot be read as RGB: save it as RGB.") from error
    if not image.has_transparency_data:
        return seen
    seen.putalpha(image.convert("RGBA").getchannel("A"))
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), seen).convert("RGB")


def srgb_colours(image: Image.Image) -> Image.Image:
    """Return the colours of an 8-bit picture in sRGB, mode RGB, whatever its transparency.

    Raises:
        ValueError: for a mode that Pillow cannot convert.
    """
    if image.mode in GREY:
        return to_srgb(image.convert("L"))
    if image.mode == "CMYK":
        return to_srgb(image)
    return to_srgb(
        image.convert("RGBA").convert("RGB") if image.has_transparency_data else image.convert("RGB")
    )


def upright(image: Image.Image) -> Image.Image:
    """Turn by EXIF; where that cannot be read, the picture is as it is stored."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # Pillow lets its TIFF reader's own errors through: SyntaxError, struct.error, ...
        return image


def working_size(size: tuple[int, int], resolution: int, multiple: int) -> tuple[int, int]:
    """Return the (width, height) an image of ``size`` is edited at.

    The aspect ratio is kept, the area is about ``resolution``^2, both sides are multiples of ``multiple``.

    Raises:
        UserError: for a picture so narrow that its shorter side cannot be one multiple without the area growing
            more than sixteenfold.
    """
    scale = resolution / (size[0] * size[1]) ** 0.5
    width, height = (max(1, round(side * scale / multiple)) * multiple for side in size)
    if width * height > 16 * max(resolution, multiple) ** 2:
        raise UserError(f"A picture of {size[0]}x{size[1]} pixels is too narrow to edit: crop it.")
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
