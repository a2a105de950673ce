"""Outside the edited region a picture stays the user's own, bit for bit."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from editmgt.editing.composite import edited_region, largest_change, paste, with_detail
from editmgt.editing.images import resize

CODE = 6  # pixels a side


def noise(seed: int, size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 999),
    grid=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    extra=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    share=st.floats(0, 1),
    masked=st.booleans(),
)
def test_nothing_outside_the_region_changes(
    seed: int, grid: tuple[int, int], extra: tuple[int, int], share: float, masked: bool
) -> None:
    random = np.random.default_rng(seed)
    size = (grid[1] * CODE + extra[1], grid[0] * CODE + extra[0])
    changed = torch.from_numpy(random.random(grid) < share)
    mask = random.random(size[::-1]) < 0.7 if masked else None
    source, edited = noise(seed, size), noise(seed + 1, size)
    region = edited_region(changed, size, mask)
    pasted = paste(source, edited, region, (CODE, CODE))
    outside = np.asarray(region) == 0
    assert largest_change(source, pasted, region) == 0
    assert np.array_equal(np.asarray(pasted)[outside], np.asarray(source)[outside])
    if mask is not None:
        assert outside[~mask].all()
    if not changed.any():
        assert outside.all()
    if changed.all() and mask is None:
        assert np.array_equal(np.asarray(pasted), np.asarray(edited))


def test_the_seam_rises_around_what_changed() -> None:
    """From nothing at the region's border to the whole edit where codes changed."""
    changed = torch.zeros(9, 9, dtype=torch.bool)
    changed[4, 3:6] = True
    size = (9 * CODE, 9 * CODE)
    region = edited_region(changed, size)
    pasted = paste(Image.new("RGB", size), Image.new("RGB", size, "white"), region, (CODE, CODE))
    row = np.asarray(pasted)[4 * CODE + CODE // 2, :, 0].astype(int)
    assert row[: 2 * CODE].max() == 0 and row[2 * CODE] < 64
    assert (np.diff(row[: 4 * CODE]) >= 0).all()
    assert row[4 * CODE + 1] > 240


sizes = st.tuples(st.integers(1, 70), st.integers(1, 70))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 999), size=sizes, worked=sizes)
def test_an_edit_that_changes_nothing_gives_the_source_back(
    seed: int, size: tuple[int, int], worked: tuple[int, int]
) -> None:
    """At its own size and to the bit, whatever size was edited at and whatever the codec lost."""
    source, decoded = noise(seed, size), noise(seed + 1, worked)
    assert np.array_equal(np.asarray(with_detail(source, decoded, decoded)), np.asarray(source))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 999), size=sizes, worked=sizes)
def test_the_edit_stays_within_the_detail_that_was_lost(
    seed: int, size: tuple[int, int], worked: tuple[int, int]
) -> None:
    source, edited, decoded = noise(seed, size), noise(seed + 1, worked), noise(seed + 2, worked)
    shown = np.asarray(with_detail(source, edited, decoded)).astype(int)
    new, old = (np.asarray(resize(picture, size)).astype(int) for picture in (edited, decoded))
    added = (new + np.asarray(source) - old).clip(0, 255)
    assert ((shown >= np.minimum(new, added)) & (shown <= np.maximum(new, added))).all()


def test_a_recoloured_thing_keeps_its_texture_and_a_new_one_has_none_of_the_old() -> None:
    stripes = np.zeros((160, 160, 3), np.uint8) + np.uint8(90)
    stripes[:, ::2] += 60  # finer than what is edited at
    stripes[:80, 80:] += 50  # seen there
    source = Image.fromarray(stripes)
    decoded = resize(source, (40, 40))
    redder = Image.merge(
        "RGB", [decoded.getchannel("R").point(lambda level: level + 40), *decoded.split()[1:]]
    )
    shown = np.asarray(with_detail(source, redder, decoded)).astype(int)
    assert np.abs(shown - stripes - [40, 0, 0]).max() <= 1
    covered = decoded.copy()
    covered.paste((200, 0, 0), (10, 10, 30, 30))  # over the corner of what is seen
    shown = np.asarray(with_detail(source, covered, decoded)).astype(int)
    assert np.abs(shown[78:82, 78:82] - [200, 0, 0]).max() <= 8 and np.array_equal(shown[:20], stripes[:20])


def test_a_masks_greys_blend_the_edit_in() -> None:
    size = (8 * CODE, 8 * CODE)
    source, edited = noise(0, size), noise(1, size)
    levels = Image.linear_gradient("L").resize(size)
    region = edited_region(torch.ones(8, 8, dtype=torch.bool), size)
    blended = np.asarray(paste(source, edited, region, (CODE, CODE), levels)).astype(float)
    share = np.asarray(levels)[..., None] / 255
    wanted = share * np.asarray(edited) + (1 - share) * np.asarray(source)
    assert np.abs(blended - wanted).max() <= 1
    assert np.array_equal(blended[share[..., 0] == 0], np.asarray(source)[share[..., 0] == 0])


def test_what_changed_outside_is_told() -> None:
    source, region = noise(0, (8, 8)), Image.new("L", (8, 8), 255)
    region.putpixel((2, 3), 0)
    edited = source.copy()
    edited.putpixel(
        (2, 3), tuple(255 - value if i == 1 else value for i, value in enumerate(source.getpixel((2, 3))))
    )
    assert largest_change(source, edited, region) == abs(255 - 2 * source.getpixel((2, 3))[1])
