"""One reader of masks: whatever people paint, publish or compute means the same pixels."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from editmgt.editing.masks import codes_that_may_change, may_change, read_mask
from editmgt.errors import UserError

TRUTHS = arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))).filter(np.any)


def stored(picture: Image.Image, picture_format: str = "PNG", **options: Any) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, picture_format, **options)
    return Image.open(io.BytesIO(buffer.getvalue()))


def layer(truth: NDArray[np.bool_], painted: int = 255, seed: int = 0, hole: bool = False) -> Image.Image:
    """Anything at all under a transparency that is the mask."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*truth.shape, 4), dtype=np.uint8)
    pixels[..., 3] = np.where(truth != hole, painted, 0)
    return Image.fromarray(pixels)


def palette(truth: NDArray[np.bool_]) -> Image.Image:
    picture = Image.fromarray(truth.astype(np.uint8)).convert("P")
    picture.putpalette([0, 0, 0, 255, 255, 255])
    return picture


FORMS: dict[str, Any] = {
    "bool": lambda truth: truth,
    "bool in one channel": lambda truth: truth[..., None],
    "0 and 1": lambda truth: truth.astype(np.uint8),
    "0 and 1, int64": lambda truth: truth.astype(np.int64),
    "0 and 255": lambda truth: truth.astype(np.uint8) * 255,
    "0 and 255, int64": lambda truth: truth.astype(np.int64) * 255,
    "16 bits": lambda truth: truth.astype(np.uint16) * 0xFFFF,
    "16 bits, 0 and 1": lambda truth: truth.astype(">u2"),
    "floats": lambda truth: truth.astype(np.float32),
    "RGB array": lambda truth: np.stack([truth.astype(np.uint8) * 255] * 3, axis=2),
    "1-bit picture": lambda truth: stored(Image.fromarray(truth)),
    "grey picture": lambda truth: stored(Image.fromarray(truth.astype(np.uint8) * 255)),
    "grey picture of 0 and 1": lambda truth: stored(Image.fromarray(truth.astype(np.uint8))),
    "RGB picture": lambda truth: stored(Image.fromarray(truth).convert("RGB")),
    "CMYK picture": lambda truth: stored(Image.fromarray(truth).convert("CMYK"), "TIFF"),
    "JPEG": lambda truth: stored(Image.fromarray(truth).convert("RGB").resize(truth.shape[::-1]), "JPEG", quality=100),
    "palette": lambda truth: stored(palette(truth)),
    "16-bit PNG": lambda truth: stored(Image.fromarray(truth.astype(np.uint16) * 0xFFFF)),
    "16-bit PNG of 0 and 1": lambda truth: stored(Image.fromarray(truth.astype(np.uint16))),
    "16-bit TIFF": lambda truth: stored(Image.fromarray(truth.astype(np.uint16) * 0xFFFF), "TIFF"),
    "32-bit picture": lambda truth: Image.fromarray(truth.astype(np.int32) * 0xFFFF),
    "float picture": lambda truth: stored(Image.fromarray(truth.astype(np.float32)), "TIFF"),
    "opaque RGBA": lambda truth: stored(Image.fromarray(truth).convert("RGBA")),
}  # fmt: skip
LAYERS: dict[str, Any] = {
    "RGBA": lambda truth: stored(layer(truth)),
    "RGBA array": lambda truth: np.asarray(layer(truth)),
    "LA": lambda truth: stored(layer(truth).convert("LA")),
    "premultiplied": lambda truth: layer(truth).convert("RGBa"),
    "white strokes": lambda truth: stored(
        Image.merge("RGBA", [Image.new("L", truth.shape[::-1], 255)] * 3 + [Image.fromarray(truth).convert("L")])
    ),
    "palette with a transparent entry": lambda truth: stored(palette(truth), transparency=0),
}  # fmt: skip


def read(mask: Any, **options: Any) -> NDArray[np.bool_]:
    return may_change(read_mask(mask, **options))


@pytest.mark.parametrize("form", FORMS)
@given(truth=TRUTHS)
def test_every_form_of_black_and_white(form: str, truth: NDArray[np.bool_]) -> None:
    mask = FORMS[form](truth)
    assert np.array_equal(read(mask, size=truth.shape[::-1]), truth)
    assert np.array_equal(read(mask, hole=True), truth)  # published without transparency, white may change


@pytest.mark.parametrize("form", LAYERS)
@given(truth=TRUTHS)
def test_transparency_that_varies_is_the_mask(form: str, truth: NDArray[np.bool_]) -> None:
    assume(not truth.all())
    mask = LAYERS[form](truth)
    assert np.array_equal(read(mask), truth)
    assert np.array_equal(read(mask, hole=True), ~truth)


@given(values=arrays(np.uint8, (4, 6)), depth=st.sampled_from(["8", "16", "float", "alpha", "hole"]))
def test_greys_have_one_threshold(values: NDArray[np.uint8], depth: str) -> None:
    assume(values.max() >= 128 and values.min() < 128)
    alpha = layer(np.ones(values.shape, bool))
    alpha.putalpha(Image.fromarray(255 - values if depth == "hole" else values))
    forms = {
        "8": values,
        "16": Image.fromarray(values.astype(np.uint16) << 8 | 0xFF),
        "float": values.astype(np.float64) / 255,
        "alpha": alpha,
        "hole": alpha,
    }
    found = read_mask(forms[depth], hole=depth == "hole")
    assert np.array_equal(np.asarray(found), values)
    assert np.array_equal(may_change(found), values >= 128)


def test_a_mask_is_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    truth = np.zeros((2, 3), bool)
    truth[0, 0] = True
    assert np.argwhere(read(stored(Image.fromarray(truth), exif=exif))).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (np.zeros((4, 5), np.uint8), "no white (its brightest level is 0 of 255)"),
        (np.full((4, 5), 127, np.uint8), "no white (its brightest level is 127 of 255)"),
        (Image.new("L", (5, 4)), "no white"),
        (Image.new("RGBA", (5, 4)), "no white"),
        (Image.fromarray(np.full((4, 5), 255, np.uint16)), "no white (its brightest level is 0 of 255)"),
        (np.full((4, 5), 0.2), "no white (its brightest level is 51 of 255)"),
        (np.full((4, 5), 255.0), "must run from 0 to 1; this one runs from 255.0 to 255.0"),
        (np.full((4, 5), np.nan), "must be finite"),
        (np.full((4, 5), -1), "must run from 0 to 255; this one runs from -1 to -1"),
        (np.full((4, 5), 256), "must run from 0 to 255"),
        (np.full((4, 5), 1j), "must be of numbers, not of complex128"),
        (np.full((4, 5), "x"), "must be of numbers"),
        (np.ones(5, bool), "height x width, not of 5 bool numbers"),
        (np.ones((2, 4, 5), np.uint8), "height x width, not of 2x4x5 uint8 numbers"),
        (np.ones((4, 5, 3), np.float32), "not of 4x5x3 float32 numbers"),
        (np.ones((0, 5)), "not of 0x5 float64 numbers"),
        (np.array(1), "not of no int64 numbers"),
        ("mask.png", "a PIL picture or a numpy array, not str"),
        ([[1, 0]], "a PIL picture or a numpy array, not list"),
        (Image.new("RGB", (5, 4), "red"), "The mask has colours"),
        (Image.new("L", (4, 5), 255), "is 4x5 pixels but its image 5x4"),
    ],
)  # fmt: skip
def test_what_is_no_mask_is_one_line(mask: Any, said: str) -> None:
    with pytest.raises(UserError) as told:
        read_mask(mask, size=(5, 4))
    assert said in str(told.value) and "\n" not in str(told.value)


def test_only_booleans_may_say_that_nothing_changes() -> None:
    assert not read(np.zeros((4, 5), bool)).any()


def test_a_picture_without_a_hole_tells_nothing() -> None:
    photo = layer(np.ones((4, 5), bool))
    with pytest.raises(UserError, match="has colours but no transparent hole"):
        read_mask(photo, hole=True)
    with pytest.raises(UserError, match="has no transparent hole"):
        read_mask(Image.new("RGB", (5, 4)), hole=True)
    assert read(Image.new("RGBA", (5, 4)), hole=True).all()


@given(truth=TRUTHS, factor=st.integers(1, 3))
def test_a_code_may_change_as_soon_as_one_of_its_pixels_may(truth: NDArray[np.bool_], factor: int) -> None:
    pixels = np.zeros((truth.shape[0] * factor, truth.shape[1] * factor), bool)
    pixels[::factor, ::factor] = truth
    assert np.array_equal(codes_that_may_change(pixels, truth.shape).numpy(), truth)
