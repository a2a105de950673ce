"""A sweep's directory: its plan and its question, its cells, and what stands beside them."""

from pathlib import Path

import pytest

from editmgt.config import PRIMARY, Study
from editmgt.results import BrokenFile, RunDirectory, SweepDirectory
from editmgt.results.sweep_directory import StoredPlan


def test_a_plan_is_read_back(tmp_path: Path) -> None:
    sweep, plan = SweepDirectory(tmp_path), StoredPlan("train", False, [1, 2], {"a": ["seed=0"], "b": []})
    assert not sweep.has_plan()
    sweep.write_plan(plan)
    assert sweep.has_plan() and sweep.plan() == plan


def test_a_plan_of_an_older_version_is_read(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text('{"task": "train", "cells": {"": ["seed=0"]}}')
    assert SweepDirectory(tmp_path).plan() == StoredPlan("train", False, [], {"": ["seed=0"]})


@pytest.mark.parametrize("content", [None, "{", "[]", "{}", '{"task": "train", "cells": []}'])
def test_what_is_no_plan_is_one_line(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "plan.json").write_text(content)
    with pytest.raises(BrokenFile) as error:
        SweepDirectory(tmp_path).plan()
    assert str(error.value) == f"{tmp_path} is no run and no sweep: it has no readable plan.json."


def test_a_study_is_read_as_it_was_written(tmp_path: Path) -> None:
    sweep = SweepDirectory(tmp_path)
    assert sweep.study() is None
    study = Study(
        factors={"model.region_hold": [True, False]},
        seeds=[0],
        primary=PRIMARY,
        baseline={"model.region_hold": True},
        correction="holm",
    )
    sweep.write_study(study)
    assert sweep.study() == study
    (tmp_path / "study.yaml").write_text("- a")
    with pytest.raises(BrokenFile, match=r"study\.yaml is corrupt"):
        sweep.study()


def test_cells_and_references_are_told_apart(tmp_path: Path) -> None:
    sweep = SweepDirectory(tmp_path)
    for name in ("b", "a", "reference"):
        RunDirectory(tmp_path / name).write_config({"task": "train"})
    (tmp_path / "report").mkdir()
    assert sweep.cells() == ["a", "b"]
    for reference in (sweep.reference(), sweep.reference("second")):
        reference.control("copy_source").write_metrics({"n": 1})
        reference.shipped.write_metrics({"n": 1})
    assert [name for name, _ in sweep.references()] == ["", "second"]
    assert all(found.control("copy_source").has_metrics() for _, found in sweep.references())
    assert sweep.reference("second").path == tmp_path / "reference" / "second"
