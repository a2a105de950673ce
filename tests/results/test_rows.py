"""samples.csv: nothing dropped, nothing guessed."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored_rows import NAMES, rows

from editmgt.results.rows import COLUMNS, Row, RowFile, one_line, read_samples


def write(path: Path) -> None:
    file = RowFile(path, NAMES)
    file.begin()
    file.append(rows()[:2])
    file.append(rows()[2:])


def test_the_csv_holds_every_row_as_it_is(tmp_path: Path) -> None:
    write(tmp_path / "samples.csv")
    with (tmp_path / "samples.csv").open(newline="") as file:
        header, *lines = csv.reader(file)
    assert header == [*COLUMNS, *NAMES]
    assert lines[0] == ["s0", "p", "add", "", 'say "a, b"', "3", "ok", "", "1.0", "30.125"]
    assert lines[1][-1] == ""  # not defined
    assert lines[2][6:] == ["failed", "ValueError: no, not this", "", ""]
    assert lines[4][0] == "#4"


def test_stored_rows_are_read_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    write(path)
    before = path.read_bytes()
    assert repr(RowFile(path, NAMES).resume()) == repr(rows())  # repr: NaN equals nothing
    assert path.read_bytes() == before


def test_wherever_a_kill_tears_the_file_whole_rows_stay_and_the_torn_one_goes(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    write(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 5):
        path.write_bytes(whole[:length])
        found = RowFile(path, NAMES).resume()
        lines = whole[:length].count(b"\n")
        assert len(found) == max(0, lines - 1)
        file = RowFile(path, NAMES)
        file.append(rows()[len(found) :])
        assert path.read_bytes() == whole


def test_rows_of_other_metrics_are_not_continued(tmp_path: Path) -> None:
    write(tmp_path / "samples.csv")
    assert RowFile(tmp_path / "samples.csv", NAMES[:1]).resume() == []
    assert (tmp_path / "samples.csv").read_text().count("\n") == 1


def test_an_instruction_of_several_lines_is_one_line(tmp_path: Path) -> None:
    file = RowFile(tmp_path / "samples.csv", ())
    file.begin()
    file.append([Row("a", 0, instruction="make it\nred"), Row("b", 0)])
    assert [row.instruction for row in file.resume()] == ["make it red", ""]


@given(texts=st.lists(st.sampled_from("=+-@'\t") | st.text(max_size=8), min_size=4, max_size=4))
def test_formulas_are_texts_and_come_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    """Ids, types and instructions are a benchmark's own: nothing of them may run in a spreadsheet."""
    row = Row(one_line(f"={texts[0]}"), 0, *map(one_line, texts[1:]), instruction='=HYPERLINK("http://x")')
    path = tmp_path_factory.mktemp("rows") / "samples.csv"
    file = RowFile(path, ("edit/success",))
    file.begin()
    file.append([row])
    assert [replace(found, values={}) for found in file.resume()] == [row]
    with path.open(newline="") as stored:
        assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in [*csv.reader(stored)][1])
    table = read_samples(path)
    assert table["sample_id"].tolist() == [row.sample_id] and table["edit_type"].tolist() == [row.edit_type]


def test_rows_that_cannot_be_read_are_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    write(path)
    path.write_text(path.read_text().replace("30.125", "much"))
    assert RowFile(path, NAMES).resume() == []
    assert path.read_text().count("\n") == 1


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (",ok,", ",fine,", "line 2: status is 'fine'"),
        ("30.125", "much", "line 2: could not convert"),
        (",3,ok", ",third,ok", "line 2: invalid literal"),
        ("s1,", "s0,", "sample s0 is there twice"),
        ("1.0,30.125", "1.0", "line 2 has 9 values for 10 columns"),
        ("sample_id", "id", "its columns are not sample_id, "),
    ],
)
def test_a_file_that_is_none_says_where(tmp_path: Path, before: str, after: str, said: str) -> None:
    path = tmp_path / "samples.csv"
    write(path)
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(ValueError, match=said):
        read_samples(path)
