"""A box in numbers: read or told in one line, and as many pixels as its percentages say, of any picture."""

import numpy as np
import pytest
from hypothesis import given, strategies

from editmgt.editing.box import box_mask, read_box, write_box
from editmgt.errors import UserError

SIDES = strategies.integers(1, 300)
SHARES = strategies.lists(strategies.floats(0, 100, width=16), min_size=2, max_size=2, unique=True).map(
    sorted
)


@given(strategies.text())
def test_a_box_is_read_or_told_in_one_line(text: str) -> None:
    try:
        left, top, right, bottom = read_box(text)
    except UserError as error:
        assert "The box" in str(error)
    else:
        assert 0 <= left < right <= 100 and 0 <= top < bottom <= 100


@pytest.mark.parametrize(
    "text", ["", "1 2 3", "1 2 x 4", "60 10 10 80", "nan 0 50 50", "0 0 50 101", "9,9,9,9"]
)
def test_what_is_no_box_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="The box"):
        read_box(text)


@given(across=SHARES, down=SHARES, size=strategies.tuples(SIDES, SIDES))
def test_a_box_is_its_share_of_any_picture(
    across: list[float], down: list[float], size: tuple[int, int]
) -> None:
    box = (across[0], down[0], across[1], down[1])
    assert read_box(write_box(box)) == pytest.approx(box, rel=1e-5)
    mask = np.array(box_mask(size, box))
    assert mask.shape == size[::-1] and mask.any()
    rows, columns = mask.any(axis=1), mask.any(axis=0)
    assert ((mask > 0) == np.outer(rows, columns)).all()
    for shares, inside, side in ((across, columns, size[0]), (down, rows, size[1])):
        assert abs(inside.sum() - (shares[1] - shares[0]) / 100 * side) <= 1


def test_a_box_may_be_written_in_several_ways() -> None:
    assert read_box("10,20,60,80") == read_box(" 10 20; 60, 80 ") == (10, 20, 60, 80)
    assert box_mask((40, 20), read_box("0,50,25,100")).getbbox() == (0, 10, 10, 20)
