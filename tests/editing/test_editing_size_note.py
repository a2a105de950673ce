"""Before an edit: what it loses of a picture larger than it is edited at."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from editmgt.editing import Editor
from editmgt.editing.size_note import size_note


def test_one_picture_and_many(tiny_editor: Editor) -> None:
    """Once, however many there are; what the picture itself keeps is said by how it is written."""
    photo, drawing = (4000, 3000), (50, 40)
    said = size_note(tiny_editor, [photo], "tiny_editor", composite=False)
    assert said == (
        "Note: the picture has 4000x3000 pixels and is edited at 40x24: all finer detail is lost (--composite keeps it "
        "where nothing is edited). tiny_editor has learnt from drawings of plain shapes, not from photographs."
    )
    said = size_note(tiny_editor, [drawing, photo, photo], "elsewhere", composite=True)
    assert said == (
        "Note: 2 of 3 pictures are reduced: the first has 4000x3000 pixels and is edited at 40x24: what is edited has no "
        "finer detail than that, and the rest of the picture stays as it is."
    )
    assert "(the switch keeps" in size_note(tiny_editor, [photo], "x", composite=False, remedy="the switch")


@settings(max_examples=60, deadline=None)
@given(size=st.tuples(st.integers(1, 100_000), st.integers(1, 100_000)))
def test_nothing_is_said_of_pictures_about_as_large_as_they_are_edited_at(
    tiny_editor: Editor, size: tuple[int, int]
) -> None:
    said = size_note(tiny_editor, [size], "elsewhere", composite=False)
    area = size[0] * size[1]
    assert said.count("\n") == 0
    if area < 3 * 32**2:
        assert not said
    if area > 40 * 32**2 and max(size) < 20 * min(size):
        assert f"{size[0]}x{size[1]} pixels" in said


@pytest.mark.parametrize("sizes", [[], [(40, 40)], [(1, 100_000)]])  # the last is too narrow to be edited
def test_nothing_worth_a_line(tiny_editor: Editor, sizes: list[tuple[int, int]]) -> None:
    assert size_note(tiny_editor, sizes, "tiny_editor", composite=False) == ""
