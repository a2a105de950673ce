"""GIDE-Bench's regions, DLEBench's fields, and galleries of other models' edits."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from released_layouts import dlebench, gide, png

from editmgt.benchmarks import build
from editmgt.benchmarks.candidates import read_candidates
from editmgt.benchmarks.protocols.gide import JUDGING, region
from editmgt.config.benchmark import Benchmark
from editmgt.errors import UserError

WIDTH, HEIGHT = 31, 17
SIZE = (WIDTH, HEIGHT)
POINT = st.tuples(st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1))


def by_points(points: Sequence[Sequence[int]], before: str = "Remove the object located at the") -> str:
    listed = ", ".join(f"[{x}, {y}]" for x, y in points)
    return f"{before} four-point region defined by the coordinates [{listed}] in front, and add 2 hats."


def by_box(*numbers: int) -> str:
    listed = ", ".join(map(str, numbers))
    return (
        f"Replace the object inside the bounding box [{listed}] (formatted as [x, y, width, height], where (x, y) is the "
        "top-left corner) with a cup, and add a hat."
    )


def area(points: Sequence[Sequence[int]]) -> bool:
    """Whether three of the points are no line."""
    (ax, ay), *others = points
    sides = [(x - ax, y - ay) for x, y in others]
    return any(p[0] * q[1] != p[1] * q[0] for p in sides for q in sides)


@given(points=st.lists(POINT, min_size=4, max_size=4), order=st.permutations(range(4)))
def test_four_points_are_a_region_in_whatever_order(points: list[tuple[int, int]], order: list[int]) -> None:
    if not area(points):
        with pytest.raises(ValueError, match="have no area"):
            region(by_points(points), SIZE)
        return
    inside = region(by_points(points), SIZE)
    assert inside is not None and inside.shape == (HEIGHT, WIDTH)
    assert all(inside[y, x] for x, y in points)
    rows, columns = inside.any(1).nonzero()[0], inside.any(0).nonzero()[0]
    assert (rows[0], rows[-1]) == (min(y for _, y in points), max(y for _, y in points))
    assert (columns[0], columns[-1]) == (min(x for x, _ in points), max(x for x, _ in points))
    again = region(by_points([points[i] for i in order]), SIZE)
    assert again is not None and (again == inside).all()


def test_crossing_lines_are_a_region_too() -> None:
    """As in row 111 of the released ones, where a polygon in the given order would be nearly empty."""
    inside = region(by_points([(2, 2), (20, 12), (2, 12), (20, 2)]), SIZE)
    assert inside is not None and inside[2:13, 2:21].all() and inside.sum() == 11 * 19


@given(points=st.lists(POINT, min_size=4, max_size=4), which=st.integers(0, 3),
       far=st.sampled_from([(-1, 0), (0, -1), (WIDTH, 0), (0, HEIGHT), (10**30, 0)]))  # fmt: skip
def test_a_point_outside_the_picture_is_told(
    points: list[tuple[int, int]], which: int, far: tuple[int, int]
) -> None:
    points[which] = far
    with pytest.raises(ValueError, match="leave the picture of 31x17 pixels"):
        region(by_points(points), SIZE)


@given(x=st.integers(-3, WIDTH + 3), y=st.integers(-3, HEIGHT + 3),
       width=st.integers(-WIDTH, WIDTH + 3), height=st.integers(-HEIGHT, HEIGHT + 3))  # fmt: skip
def test_boxes(x: int, y: int, width: int, height: int) -> None:
    """Reversed corners are a negative size, and no region."""
    if width < 1 or height < 1:
        said = "has no area"
    elif x < 0 or y < 0 or x + width > WIDTH or y + height > HEIGHT:
        said = "leaves the picture"
    else:
        inside = region(by_box(x, y, width, height), SIZE)
        assert inside is not None and inside.sum() == width * height
        assert inside[y, x] and inside[y + height - 1, x + width - 1]
        return
    with pytest.raises(ValueError, match=said):
        region(by_box(x, y, width, height), SIZE)


@pytest.mark.parametrize(
    "text",
    [
        by_points([(1, 1), (9, 1), (9, 9)]),
        by_points([(1, 1), (9, 1), (9, 9), (1, 9), (0, 4)]),
        by_box(1, 2, 3),
        by_box(1, 2, 3, 4, 5),
        by_box(1, 2, 3, 4).replace("width, height]", "right, bottom]"),
        by_box(1, 2, 3, 4).replace("[1, 2", "[1.5, 2"),
        by_box(1, 2, 3, 4) + " " + by_box(2, 2, 3, 4),
        by_box(1, 2, 3, 4) + " " + by_points([(1, 1), (9, 1), (9, 9), (1, 9)]),
        "Remove the object inside the bounding box of the dog.",
    ],
)
def test_a_region_in_other_words_is_never_guessed(text: str) -> None:
    with pytest.raises(ValueError, match="names a region that cannot be read"):
        region(text, SIZE)


@pytest.mark.parametrize(
    "text", ["", "Add [[1, 2], [3, 4], [5, 6], [7, 8]] stars.", "Add a box next to the region."]
)
def test_other_numbers_and_words_name_no_region(text: str) -> None:
    assert region(text, SIZE) is None


def test_gides_rows(tmp_path: Path) -> None:
    rows = build(Benchmark.of(gide(tmp_path)))
    points, box, words = (rows[i] for i in range(3))
    assert [row.slice for row in (points, box, words)] == ["points", "box", "words"]
    assert points.source.shape == (16, 56, 3) and points.edit_mask is not None and box.edit_mask is not None
    assert points.edit_mask.shape == (16, 56) and points.edit_mask[5, 5] and not points.edit_mask[15, 40]
    assert box.edit_mask[:6, 4:14].all() and box.edit_mask.sum() == 60 and words.edit_mask is None
    assert points.asked == "1. The first of 0. 2. Add a hat." and points.edit_type == "remove_add"
    assert (points.source_caption, points.target_caption, box.target_caption) == ("a clock", "a hat", "")
    with pytest.raises(ValueError, match="leaves the picture of 56x16"):
        rows[4]
    four = {"compliance_1": 5.0, "naturalness_1": 3.0, "compliance_2": 3.0, "naturalness_2": 5.0}
    assert JUDGING.of_answers(four) == (4, 4, 4)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"image": "0.png", "reference_image": "0.png", "edit": "x"}, "needs 'edit_operation', a text."),
        ({"image": "0.png", "reference_img": "0.png", "edit_operation": "x"}, "Did you mean 'reference_img'?"),
        ({"image": "../0.png", "reference_image": "0.png", "edit_operation": "x"}, "leads out of"),
        ([], "line 3 holds no JSON object, but list"),
        ("{", "line 3 cannot be read as JSON"),
    ],
)  # fmt: skip
def test_dlebenchs_mistakes_are_one_line(line: Any, said: str, tmp_path: Path) -> None:
    config = dlebench(tmp_path)
    with (tmp_path / "data.jsonl").open("a") as file:
        file.write(line if line == "{" else json.dumps(line))
    with pytest.raises(UserError) as told:
        build(Benchmark.of(config))
    assert said in str(told.value) and str(told.value).count("\n") == 0


def test_dlebenchs_types_and_pictures(tmp_path: Path) -> None:
    config = dlebench(tmp_path)
    rows = build(Benchmark.of(config | {"type_field": "kind"}))
    first, second = (rows[i] for i in range(2))
    assert (first.sample_id, second.sample_id, first.source_id) == ("0-0", "1-0", "0.png")
    assert first.edit_type == "color" and first.target is not None and first.source_caption == "a street"
    assert build(Benchmark.of(config))[0].edit_type == ""
    with pytest.raises(UserError, match=r"entry 0 needs 'kin', a text\. Did you mean 'kind'\?"):
        build(Benchmark.of(config | {"type_field": "kin"}))
    of_gide = {key: value for key, value in config.items() if key != "type_field"}
    for absent, name, file in (
        (of_gide, "gide", "edit_instructions.json"),
        (config, "dlebench", "data.jsonl"),
    ):
        (tmp_path / "none").mkdir(exist_ok=True)
        with pytest.raises(UserError, match=rf"benchmark\.path=.*none has no {file}: it is not"):
            build(Benchmark.of(absent | {"name": name, "path": str(tmp_path / "none")}))


def test_a_gallery_as_it_is_published(tmp_path: Path) -> None:
    (tmp_path / "BAGEL").mkdir()
    (tmp_path / "BAGEL" / "k0.png").write_bytes(png())
    lines = [
        {"key": "k0", "candidates": [{"model": "BAGEL", "image": "BAGEL/k0.png"}, {"model": "X", "image": "x.png"}]},
        {"key": "k1", "candidates": []},
    ]  # fmt: skip
    file = tmp_path / "metadata.jsonl"
    file.write_text("\n\n".join(map(json.dumps, lines)))
    found = read_candidates(str(tmp_path))
    assert found == {"k0": {"BAGEL": tmp_path / "BAGEL/k0.png", "X": tmp_path / "x.png"}, "k1": {}}
    assert read_candidates(str(file)) == found


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "holds no candidates"),
        ([{"key": 3, "candidates": []}], "needs 'key', a text"),
        ([{"key": "a", "candidates": {}}], "entry a needs 'candidates', a list"),
        ([{"key": "a", "candidates": [{"model": "m", "img": "x"}]}], "entry a needs 'image', a text."),
        (
            [{"key": "a", "candidates": [{"model": "m", "image": "../x.png"}]}],
            "image '../x.png' leads out of",
        ),
        ([{"key": "a", "candidates": [{"model": "m", "image": "x"}] * 2}], "entry a has two pictures of m"),
    ],
)
def test_a_broken_gallery_is_told_in_one_line(lines: list[Any], said: str, tmp_path: Path) -> None:
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(UserError) as told:
        read_candidates(str(tmp_path))
    assert said in str(told.value) and str(told.value).count("\n") == 0
    with pytest.raises(
        UserError, match=r"benchmark\.judge\.candidates=.* is no directory with metadata\.jsonl"
    ):
        read_candidates(str(tmp_path / "gone"))
