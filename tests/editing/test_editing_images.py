"""Pictures of every kind, upright in 8-bit RGB; bad ones in one line."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from editmgt.editing.images import upright_rgb, working_size
from editmgt.editing.original import Original
from editmgt.editing.picture_files import TooManyPixels, decode_image, read_image
from editmgt.errors import UserError


def saved(image: Image.Image, picture_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, picture_format, **options)
    return buffer.getvalue()


def read(content: bytes) -> Image.Image:
    image = upright_rgb(decode_image(content))
    assert image.mode == "RGB"
    return image


def test_exif_orientation() -> None:
    image = Image.new("RGB", (30, 20), "red")
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    assert read(saved(image, "JPEG", exif=exif)).size == (20, 30)


@pytest.mark.parametrize("garbage", [b"Exif\0\0garbage!!", b"Exif\0\0MM\0*\0\0"])
def test_an_orientation_that_cannot_be_read_is_none(garbage: bytes) -> None:
    assert read(saved(Image.new("RGB", (30, 20), "red"), "PNG", exif=garbage)).size == (30, 20)


def test_transparency_is_over_white() -> None:
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 255, 0))
    assert [*read(saved(image, "PNG")).getdata()] == [(255, 0, 0), (255, 255, 255)]
    grey = Image.new("LA", (1, 1), (0, 0))
    assert read(saved(grey, "PNG")).getpixel((0, 0)) == (255, 255, 255)
    palette = Image.new("P", (1, 1), 0)
    palette.putpalette([10, 20, 30])
    assert read(saved(palette, "PNG")).getpixel((0, 0)) == (10, 20, 30)
    assert read(saved(palette, "PNG", transparency=0)).getpixel((0, 0)) == (255, 255, 255)


def test_grey_sixteen_bit_and_cmyk() -> None:
    assert read(saved(Image.new("L", (1, 1), 77), "PNG")).getpixel((0, 0)) == (77, 77, 77)
    assert read(saved(Image.new("1", (1, 1), 1), "PNG")).getpixel((0, 0)) == (255, 255, 255)
    deep = Image.fromarray(np.array([[0, 0x1234, 0xFFFF]], np.uint16))
    for picture_format in ("PNG", "TIFF"):
        assert [*read(saved(deep, picture_format)).getdata()] == [(v, v, v) for v in (0, 0x12, 0xFF)]
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    red, green, blue = read(saved(cmyk, "JPEG")).getpixel((8, 8))
    assert red > 240 and green < 15 and blue < 15
    with pytest.raises(UserError, match="floating-point"):
        upright_rgb(Image.new("F", (1, 1)))


@pytest.mark.parametrize("value", [-1, 0x10000, 1_000_000])
def test_greys_beyond_sixteen_bits_have_no_known_range(value: int) -> None:
    deep = Image.fromarray(np.array([[0, value]], np.int32))
    with pytest.raises(UserError, match="has no known range: save it with 8 or 16 bits"):
        upright_rgb(deep)
    with pytest.raises(UserError, match="has no known range"):
        Original.of(decode_image(saved(deep, "TIFF")))
    assert Original.of(Image.fromarray(np.array([[0, 0xFFFF]], np.int32))).base.mode == "I;16"


def bomb(side: int) -> bytes:
    """A PNG that promises ``side`` x ``side`` pixels and holds next to nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.filterwarnings("error")
def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(bomb(40_000))
    with pytest.raises(
        TooManyPixels, match=r"bomb.png' has 40000x40000 pixels, more than the limit of 100,000,000"
    ):
        read_image(tmp_path / "bomb.png")
    assert Image.MAX_IMAGE_PIXELS is not None  # Pillow's own limit stands for everyone else
    with pytest.raises(TooManyPixels):
        decode_image(saved(Image.new("RGB", (11, 10)), "PNG"), max_pixels=109)
    decode_image(saved(Image.new("RGB", (11, 10)), "PNG"), max_pixels=110)


@pytest.mark.parametrize("picture_format", ["PNG", "JPEG", "WEBP"])
def test_truncated_pictures_are_one_line(picture_format: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    with pytest.raises(UserError, match="cannot be read as an image") as caught:
        decode_image(saved(noise, picture_format)[:500])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [(1, 1), (20_000, 10), (10, 20_000), (4000, 3000), (1, 3)])
def test_any_shape_has_a_working_size(size: tuple[int, int]) -> None:
    width, height = working_size(size, 64, 8)
    assert width % 8 == height % 8 == 0
    assert 0.5 <= width * height / 64**2 <= 16
    if max(size) < 10 * min(size):
        assert width / height == pytest.approx(size[0] / size[1], rel=0.2)


def test_a_hair_is_refused() -> None:
    with pytest.raises(UserError, match="1000000x1 pixels is too narrow"):
        working_size((1_000_000, 1), 64, 8)
