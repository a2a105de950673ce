"""Cells of a table that hold a picture, the same for training and benchmarks: read, or one short line."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edit_files import encoded, picture
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from editmgt.benchmarks.pictures import picture as benchmark_picture
from editmgt.data.cells import locate, open_picture, picture_size
from editmgt.errors import UserError


def sixteen_bits(path: Path) -> bytes:
    Image.fromarray(np.full((40, 48), 40_000, np.uint16)).save(path)
    return path.read_bytes()


def palette() -> bytes:
    image = picture(0).quantize(16)
    image.info["transparency"] = 0
    return encoded(image)


def test_unusual_pictures_in_cells(tmp_path: Path) -> None:
    """Each is either read in its own size, or one short line."""
    good = encoded(picture(0))
    exif = Image.Exif()
    exif[0x0112] = 6
    bomb = encoded(Image.new("1", (20_000, 20_000)))
    cells: list[tuple[Any, tuple[int, int] | str]] = [
        (encoded(picture(0).convert("CMYK"), "JPEG"), (48, 40)),
        (sixteen_bits(tmp_path / "16.png"), (48, 40)),
        (palette(), (48, 40)),
        (encoded(picture(0), "JPEG", exif=exif), (40, 48)),
        (encoded(picture(0).convert("LA")), (48, 40)),
        (encoded(picture(0), "WEBP"), (48, 40)),
        ({"bytes": good, "path": "nowhere.png"}, (48, 40)),
        (b"", "these bytes are no picture"),
        (good[:-60], "cannot be read as an image"),
        (bomb, "400000000|20000x20000 pixels"),
        (encoded(Image.new("F", (48, 40)), "TIFF"), "floating-point"),
        ("", "neither a file"),
        ("nowhere.png", "neither a file"),
        ("x" * 100_000, r"neither a file.*\(100,000 characters\)"),
        ("a\0b", "neither a file"),
        ("iVBORw0KGgo" + "!" * 50_000, "is no whole base64"),
        ("data:image/png;base64,AAAA", "these bytes are no picture"),
        (list(good), "there is list in its place"),
        (5, "there is int in its place"),
    ]
    for cell, expected in cells:
        if isinstance(expected, tuple):
            assert benchmark_picture(cell).shape[:2] == expected[::-1]
            continue
        with pytest.raises(UserError, match=expected) as caught:
            benchmark_picture(cell)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("picture_format", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_base64_in_each_form(picture_format: str) -> None:
    """With and without padding, in both alphabets, in lines and as a data: URL."""
    for size in ((48, 40), (47, 40), (46, 41)):  # with each number of padding characters
        content = encoded(picture(0, size), picture_format)
        plain, safe = base64.b64encode(content).decode(), base64.urlsafe_b64encode(content).decode()
        for text in (plain, plain.rstrip("="), safe, safe.rstrip("="), base64.encodebytes(content).decode()):
            for cell in (text, f"data:image/any;base64,{text}"):
                assert open_picture(locate(cell, [Path("data")]), "the cell").size == size
                assert picture_size(cell) == size


@pytest.mark.parametrize("picture_format", ["PNG", "JPEG", "WEBP"])
def test_broken_exif_turns_nothing(picture_format: str) -> None:
    content = encoded(picture(0, (48, 40)), picture_format, exif=b"Exif\0\0garbage!!garbage")
    assert picture_size(content) == benchmark_picture(content).shape[1::-1] == (48, 40)


def test_big_endian_tiff_in_base64() -> None:
    content = encoded(Image.new("I;16B", (48, 40)), "TIFF")
    assert content.startswith(b"MM")
    assert open_picture(base64.b64encode(content).decode(), "the cell").size == (48, 40)


@given(st.text() | st.binary(max_size=200) | st.text(alphabet="iVBORw0KGgo/9j+=Uk\n"))
def test_any_cell_is_a_picture_or_one_short_line(cell: str | bytes) -> None:
    try:
        open_picture(cell, "the cell")
    except UserError as error:
        assert str(error).startswith("the cell") and "\n" not in str(error) and len(str(error)) < 500
