"""The means of rows: nothing dropped, nothing guessed."""

import json
import math
from pathlib import Path

import pandas
import pytest
from stored_rows import NAMES, rows

from editmgt.evaluation.summary import summarise
from editmgt.results import Row, RunDirectory


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
