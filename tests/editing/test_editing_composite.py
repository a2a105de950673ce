"""Outside the edited region a picture stays the user's own, bit for bit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw, ImageFilter
from scipy import ndimage

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


def shown(region: Image.Image) -> np.ndarray:
    """How much of an edit shows in each pixel, up to 255."""
    white = Image.new("L", region.size, 255)
    return np.asarray(paste(Image.new("L", region.size), white, region, (CODE, CODE)))


def box(left: int, top: int, width: int, height: int, side: int = 12 * CODE) -> Image.Image:
    region = Image.new("L", (side, side))
    region.paste(255, (left, top, left + width, top + height))
    return region


@settings(max_examples=100, deadline=None)
@given(left=st.integers(1, 20), top=st.integers(1, 20), width=st.integers(1, 40), height=st.integers(1, 40))
def test_a_box_of_any_size_shows_its_centre_in_full(left: int, top: int, width: int, height: int) -> None:
    """Also one that is narrower than a code; one that holds a whole seam has all of it."""
    region = box(left, top, width, height)
    found = shown(region)
    assert found[top + height // 2, left + width // 2] == 255
    assert not found[np.asarray(region) == 0].any()
    if min(width, height) > 2 * CODE:
        assert np.array_equal(found, whole_seam(region))


def whole_seam(region: Image.Image) -> np.ndarray:
    blurred = region.filter(ImageFilter.BoxBlur(CODE)).point([max(0, 2 * v - 255) for v in range(256)])
    return np.asarray(ImageChops.darker(blurred, region))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 999), grid=st.tuples(st.integers(1, 9), st.integers(1, 9)), share=st.floats(0, 1))
def test_every_part_of_a_region_shows_something_in_full(
    seed: int, grid: tuple[int, int], share: float
) -> None:
    """Whatever a mask leaves of the codes that changed and of those around them: specks, strokes, corners."""
    random = np.random.default_rng(seed)
    size = (grid[1] * CODE, grid[0] * CODE)
    painted = Image.fromarray(random.random((grid[0] * 2, grid[1] * 2)) < share).resize(size)
    region = edited_region(torch.from_numpy(random.random(grid) < 0.3), size, np.asarray(painted))
    parts, count = ndimage.label(np.asarray(region), np.ones((3, 3)))
    assert (ndimage.maximum(shown(region), parts, range(1, count + 1)) == np.full(count, 255)).all()


def test_a_mask_that_leaves_a_strip_of_the_ring_shows_it() -> None:
    changed = torch.zeros(9, 9, dtype=torch.bool)
    changed[4, 4] = True
    mask = np.zeros((9 * CODE, 9 * CODE), dtype=bool)
    mask[:, : 3 * CODE + 2] = True
    region = edited_region(changed, (9 * CODE, 9 * CODE), mask)
    assert shown(region)[4 * CODE].max() == 255


@pytest.mark.parametrize("width", [1, CODE // 2, CODE, 2 * CODE - 1])
def test_a_thin_stroke_that_leaves_a_large_region_shows(width: int) -> None:
    region, large = box(2, 2, 30, 50), box(2, 2, 30, 50)
    region.paste(255, (32, 20, 70, 20 + width))
    found = shown(region)
    assert (found[20 + width // 2, 32 + CODE : 69 - CODE] == 255).all()
    away = 20 - 2 * CODE  # rows above in which no blur meets the stroke
    assert np.array_equal(found[:away], whole_seam(large)[:away])


@pytest.mark.parametrize("shape", ["ellipse", "diamond"])
def test_what_has_room_for_its_seam_keeps_it_to_the_bit(shape: str) -> None:
    region = Image.new("L", (12 * CODE, 12 * CODE))
    if shape == "ellipse":
        ImageDraw.Draw(region).ellipse((4, 9, 60, 50), fill=255)
    else:
        ImageDraw.Draw(region).polygon([(35, 4), (66, 35), (35, 66), (4, 35)], fill=255)
    assert np.array_equal(shown(region), whole_seam(region))


def test_a_speck_leaves_the_seam_of_a_large_region_as_it_is() -> None:
    large, both = box(8, 8, 30, 40), box(8, 8, 30, 40)
    both.paste(255, (50, 20, 53, 22))
    found = shown(both)
    assert found[20:22, 50:53].max() == 255
    assert np.array_equal(found[:, :48], whole_seam(large)[:, :48])


def test_many_specks_take_as_few_passes_as_one_whatever_the_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass over 100 million pixels takes seconds, and a wide seam is halved nine times until a speck has room for it."""
    region = Image.new("L", (1500, 1500))
    for left in range(10, 1500, 50):
        region.paste(255, (left, left, left + 3, left + 3))
    passes: list[object] = []
    blur = ImageFilter.BoxBlur
    monkeypatch.setattr(ImageFilter, "BoxBlur", lambda radius: passes.append(radius) or blur(radius))
    pasted = paste(Image.new("L", region.size), Image.new("L", region.size, 255), region, (600, 600))
    assert (np.asarray(pasted)[11::50, 11::50].diagonal() == 255).all()
    assert len(passes) <= 3


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
