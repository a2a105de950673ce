"""The means of rows: nothing dropped, nothing guessed."""

import json
import math
from pathlib import Path

import pandas
import pytest

from editmgt.evaluation.summary import summarise
from editmgt.results import Row, RunDirectory

NAMES = ("edit/success", "outside/psnr")


def rows() -> list[Row]:
    def row(index: int, edit_type: str, success: float, psnr: float) -> Row:
        values = {"edit/success": success, "outside/psnr": psnr}
        return Row(f"s{index}", 3, "p", edit_type, "", 'say "a, b"', values=values)

    return [
        row(0, "add", 1.0, 30.125),
        row(1, "add", 0.0, math.nan),
        Row("s2", 3, "p", "add", error="ValueError: no, not this"),
        row(3, "remove", 1.0, 20.0),
        Row("#4", 3, error="OSError: truncated"),
    ]


def test_means_are_over_what_is_defined_and_counts_stand_beside_them() -> None:
    assert summarise(rows(), NAMES) == {
        "n": 3,
        "failed": 2,
        "edit/success": 2 / 3,
        "outside/psnr": 25.0625,
        "outside/psnr/undefined": 1,
        "n[add]": 2,
        "failed[add]": 1,
        "edit/success[add]": 0.5,
        "n[remove]": 1,
        "failed[remove]": 0,
        "edit/success[remove]": 1.0,
    }


def test_a_metric_that_is_never_defined_has_no_mean() -> None:
    only = [Row("a", 0, values={"edit/success": math.nan, "outside/psnr": math.nan})]
    summary = summarise(only, NAMES)
    assert summary == {"n": 1, "failed": 0, "edit/success/undefined": 1, "outside/psnr/undefined": 1}
    json.dumps(summary, allow_nan=False)
    assert summarise([], NAMES) == {"n": 0, "failed": 0}


def test_the_means_are_those_of_the_stored_rows(tmp_path: Path) -> None:
    RunDirectory(tmp_path).row_file(NAMES).replace(rows())
    table = pandas.read_csv(tmp_path / "samples.csv")
    summary = summarise(rows(), NAMES)
    assert table["outside/psnr"].mean() == pytest.approx(summary["outside/psnr"])
    by_type = table.groupby("edit_type")["edit/success"].mean()
    assert by_type["add"] == pytest.approx(summary["edit/success[add]"])
