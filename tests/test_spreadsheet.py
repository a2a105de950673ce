"""Texts of strangers in CSV: no spreadsheet runs them, and they are read back as they were."""

import csv
import io
import math

import pandas
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from editmgt.spreadsheet import from_csv, shield, to_csv, unshield

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1+1", "=HYPERLINK(\"http://x\",\"y\")"]  # fmt: skip
STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
# any text, and often one that is hard: what runs, behind any number of quotes
TEXTS = st.text(max_size=20) | st.builds(
    lambda quotes, start, rest: "'" * quotes + start + rest,
    st.integers(0, 3), st.sampled_from([*STARTS, '"', ",", ""]), st.text(max_size=5),
)  # fmt: skip


@given(text=TEXTS)
def test_no_cell_runs_and_every_text_comes_back(text: str) -> None:
    cell = shield(text)
    assert not cell.startswith(STARTS)
    assert unshield(cell) == text
    assert cell in (text, f"'{text}")


@given(rows=st.lists(st.lists(TEXTS, min_size=1, max_size=4), max_size=4))
@example(rows=[[""]])
@example(rows=[["a\r\nb", '"', "'"]])
def test_a_table_comes_back(rows: list[list[str]]) -> None:
    text = to_csv(rows)
    assert from_csv(text) == rows
    assert [[unshield(cell) for cell in row] for row in csv.reader(io.StringIO(text, newline=""))] == rows


@pytest.mark.parametrize("text", FORMULAS)
def test_what_others_read_is_a_text(text: str) -> None:
    [[cell]] = pandas.read_csv(io.StringIO(to_csv([["name"], [text]]))).to_numpy()
    assert cell == f"'{text}"


def test_plain_texts_stay_as_they_are() -> None:
    for text in ("make it red", "it's", "'tis", "a=b", "3", "", "#4", "é"):
        assert shield(text) == text


def test_numbers_are_numbers() -> None:
    [[*cells]] = from_csv(to_csv([[-0.5, 1 / 3, -2, None, math.nan, math.inf, True]]))
    assert cells == ["-0.5", repr(1 / 3), "-2", "", "", "", "True"]


def test_what_is_no_table_names_its_line() -> None:
    with pytest.raises(ValueError, match="line 2: unexpected end of data"):
        from_csv('a,b\n"torn')


def test_half_a_character_is_written_as_its_number() -> None:
    assert from_csv(to_csv([["a\ud800"]])) == [["a\\ud800"]]
