"""Crops and flips: source, target and mask stay together, to the pixel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from editmgt.data.bad_rows import BadRow
from editmgt.data.transform import Pair, Transform, may_flip


def numbered(width: int, height: int, channel: int) -> Image.Image:
    """Every pixel holds its own place."""
    array = np.zeros((height, width, 3), np.uint8)
    array[..., 0], array[..., 1] = np.arange(width), np.arange(height)[:, None]
    array[..., 2] = channel
    return Image.fromarray(array)


def transform(resolution: int = 16, **changes: object) -> Transform:
    return Transform(
        **(
            {
                "sizes": ((resolution, resolution),),
                "crops": 3,
                "flip": True,
                "min_side": 4,
                "max_aspect_change": 0.1,
            }
            | changes
        )  # type: ignore[arg-type]
    )


@given(
    side=st.integers(4, 40),
    longer=st.integers(0, 60),
    wide=st.booleans(),
    variant=st.integers(0, 5),
    data=st.data(),
)
def test_source_target_and_mask_are_cut_at_the_same_pixels(
    side: int, longer: int, wide: bool, variant: int, data: st.DataObject
) -> None:
    width, height = (side + longer, side) if wide else (side, side + longer)
    white = data.draw(st.integers(0, width * height - 1))
    mask = np.zeros(width * height, np.uint8)
    mask[white] = 255
    pair = Pair(
        numbered(width, height, 1),
        numbered(width, height, 2),
        Image.fromarray(mask.reshape(height, width)),
        "x",
    )
    view = transform(side)(pair, variant)
    assert view.source is not None
    assert (view.source[..., :2] == view.target[..., :2]).all()
    assert (view.source[..., 2] == 1).all() and (view.target[..., 2] == 2).all()
    columns, rows = view.source[0, :, 0], view.source[:, 0, 1]
    assert (np.diff(columns.astype(int)) == (-1 if variant >= 3 else 1)).all()
    assert (np.diff(rows.astype(int)) == 1).all()
    place = (view.source[..., 1].astype(int) * width + view.source[..., 0]) == white
    assert (view.edit_mask == place).all()


def test_crops_go_from_end_to_end() -> None:
    pair = Pair(numbered(40, 10, 0), numbered(40, 10, 0), None, "x")
    starts = [int(transform(10)(pair, variant).target[0, 0, 0]) for variant in range(3)]
    assert starts == [0, 15, 30]
    assert int(transform(10, crops=1, flip=False)(pair, 0).target[0, 0, 0]) == 15
    assert transform(10)(pair, 0).edit_mask.all()


def test_a_target_of_another_size_is_laid_over_its_source() -> None:
    """The same scene at 1.5 times the size and a slightly other shape shows the same things at the same places."""
    scene = Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 8, 3), dtype=np.uint8))
    source, target = (scene.resize(size, Image.Resampling.BICUBIC) for size in ((96, 60), (150, 90)))
    for variant in range(6):
        view = transform(32)(Pair(source, target, None, "x"), variant)
        assert view.source is not None
        assert np.abs(view.source.astype(int) - view.target).mean() < 4


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ((96, 64), (128, 64), "aspect ratios differ"),
        ((3, 200), (3, 200), "too small"),
        ((1, 1), (9, 9), "too small"),
    ],
)
def test_pairs_that_do_not_fit_are_bad(source: tuple[int, int], target: tuple[int, int], reason: str) -> None:
    with pytest.raises(BadRow, match=reason):
        transform().check(Pair(Image.new("RGB", source), Image.new("RGB", target), None, "x"))
    transform().check(Pair(Image.new("RGB", (96, 64)), Image.new("RGB", (100, 64)), None, "x"))


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("make the hat red", True),
        ("the bright lights", True),
        ("Remove the LEFT shoe", False),
        ("turn it clockwise", False),
        ("write a letter on the wall", False),
        ("把左边的帽子变红", False),
        ("don't change the hat", True),
        ("make the shirt say hello", False),
        ('change "SALE" to "SOLD"', False),
        ("make the sign's text read 'open'", False),
        ("the shirt says hello", False),
        ("make the title read Winter", False),
        ("rotate the clock by 90 degrees", False),
        ("turn the car around", False),
        ("turn the hat red", True),
    ],
)
def test_what_speaks_of_sides_is_never_mirrored(text: str, fits: bool) -> None:
    assert may_flip(text) == fits
    pair = Pair(numbered(16, 16, 0), numbered(16, 16, 0), None, text)
    plain, mirrored = transform(crops=1)(pair, 0), transform(crops=1)(pair, 1)
    assert (plain.target == mirrored.target).all() == (not fits)
