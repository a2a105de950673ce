"""Picture files: read whole, within a limit of pixels; what no edit of them keeps is told. Nothing here imports torch."""

import glob
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from editmgt.errors import UserError, first_line, nearest

#: A picture of more pixels is refused before it is decoded: a small file can hold a huge one.
MAX_PIXELS = 100_000_000


class TooManyPixels(UserError):
    """A picture over the pixel limit."""


def read_image(path: Path | str, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read a whole picture from disk; a missing, truncated, foreign or too large file is a ``UserError``."""
    if not Path(path).is_file():
        swapped = (
            " The picture comes first, then the instruction."
            if " " in str(path) and not Path(path).suffix
            else ""
        )
        beside = [file.name for file in Path(path).parent.glob(f"*{glob.escape(Path(path).suffix)}")]
        raise UserError(f"There is no image file '{path}'.{swapped or nearest(Path(path).name, beside)}")
    return _decode(Path(path), f"'{path}'", max_pixels)


def decode_image(content: bytes, name: str = "the picture", max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode a picture held in memory; ``name`` is what an error calls it."""
    return _decode(BytesIO(content), name, max_pixels)


def _decode(file: Path | BytesIO, name: str, max_pixels: int) -> Image.Image:
    try:
        with no_limit_but_ours(), Image.open(file) as image:
            if image.width * image.height > max_pixels:
                raise TooManyPixels(
                    f"{name} has {image.width}x{image.height} pixels, more than the limit of {max_pixels:,}."
                )
            image.load()
            return image
    except UserError:
        raise
    except UnidentifiedImageError:  # its own words are a memory address
        raise UserError(f"{name} cannot be read as an image: these bytes are no picture.") from None
    except Exception as error:  # Pillow's decoders raise a dozen kinds of error over a broken file
        raise UserError(f"{name} cannot be read as an image: {first_line(error)}") from error


def size_of(file: Path | BytesIO) -> tuple[int, int] | None:
    """Return width and height as a picture's file says, undecoded; None for one that says none."""
    try:
        with no_limit_but_ours(), Image.open(file) as image:
            return image.size
    except Exception:  # what is wrong with it is said when it is read
        return None


def has_deep_colours(path: Path) -> bool:
    """Whether a picture's file has 16 bits for each of several channels: of those Pillow reads 8."""
    with no_limit_but_ours(), Image.open(path) as image:
        tiles = getattr(image, "tile", [])
        return len(image.getbands()) > 1 and any(";16" in str(tile[3]) for tile in tiles)


def file_notes(path: Path) -> list[str]:
    """Return a line on each thing of a picture's file that no edit of it has."""
    with no_limit_but_ours(), Image.open(path) as image:
        frames = getattr(image, "n_frames", 1)  # of an animation; a TIFF's pages
    notes = [f"it holds {frames} pictures: the first is edited, and written alone."] if frames > 1 else []
    if has_deep_colours(path):
        notes.append("it has colours of 16 bits: Pillow reads 8 of them, and 8 are written.")
    return notes


@contextmanager
def no_limit_but_ours() -> Iterator[None]:
    """Pillow's own limit is a global that warns at one size and raises at another."""
    theirs, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = theirs


def png(image: Image.Image) -> bytes:
    """Return a picture as the content of a PNG file."""
    buffer = BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()
