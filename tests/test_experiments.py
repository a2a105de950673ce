"""The tables of ``experiments/`` say what their stored rows say."""

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest
from scipy import stats

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
sys.path.append(str(EXPERIMENTS))
tell = importlib.import_module("tell")


def test_the_tables_of_the_three_parts_are_those_of_their_sweep() -> None:
    study = EXPERIMENTS / "miniature"
    run = subprocess.run(
        [sys.executable, EXPERIMENTS / "components.py"], capture_output=True, text=True, check=True
    )
    tables = run.stdout.split("\n\n\n")
    assert len(tables) == 5 and all(table in (study / "README.md").read_text() for table in tables)


@pytest.mark.parametrize(
    "study", ["calibrated", "hold_rules", "lessons", "robustness", "source_once", "speed"]
)
def test_the_table_of_a_study_is_that_of_its_rows(study: str) -> None:
    command = [sys.executable, EXPERIMENTS / "table.py", study]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout in (EXPERIMENTS / study / "README.md").read_text()


@pytest.mark.parametrize(
    ("study", "script", "rows", "figure"),
    [
        ("cost", "costs.py", ["parts.json"], "costs.png"),
        (
            "data_or_architecture",
            "learned.py",
            ["summary.csv", "effects.csv", "effects_0.csv", "effects_1.csv", "before.csv"],
            "learned.png",
        ),
        ("lessons", "slices.py", ["samples.csv"], "slices.png"),
        ("localization", "maps.py", ["dev.csv", "test.csv"], "maps.png"),
        ("paradigm", "paradigms.py", ["dev.csv", "test.csv", "hold.csv"], "paradigms.png"),
        ("speed", "pareto.py", ["pareto.csv"], "pareto.png"),
        ("thresholds", "curves.py", ["dev.csv", "test.csv"], "curves.png"),
    ],
)
def test_the_tables_and_the_figure_of_a_study_are_those_of_its_rows(
    tmp_path: Path, study: str, script: str, rows: list[str], figure: str
) -> None:
    (tmp_path / study).mkdir()
    for name in (script, "tell.py", *(f"{study}/{table}" for table in rows)):
        shutil.copy(EXPERIMENTS / name, tmp_path / name)
    run = subprocess.run([sys.executable, tmp_path / script], capture_output=True, text=True, check=True)
    told = (EXPERIMENTS / study / "README.md").read_text()
    assert all(table in told for table in run.stdout.split("\n\n\n"))
    assert (tmp_path / study / figure).stat().st_size > 10_000


def test_every_slice_has_its_page_of_pictures(tmp_path: Path) -> None:
    script = shutil.copy(EXPERIMENTS / "robustness" / "pages.py", tmp_path)
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    drawn = {path.name for path in tmp_path.glob("*.png")}
    assert len(drawn) == 7 == len(run.stdout.splitlines())
    assert drawn <= {path.name for path in (EXPERIMENTS / "robustness").glob("*.png")}


def test_a_rate_has_the_exact_interval() -> None:
    values = pandas.Series([1.0] * 9 + [0.0])
    low, high = stats.beta.ppf([0.025, 0.975], [9, 10], [2, 1])
    assert tell.rate(values) == f"0.900 [{low:.3f}, {high:.3f}]"
    assert tell.rate(pandas.concat([values, pandas.Series([np.nan] * 5)])) == tell.rate(values)
    assert tell.rate(values[:0]) == ""


def test_points_reach_as_far_as_the_interval() -> None:
    rows = pandas.DataFrame({"cell": ["a"] * 10 + ["b"] * 4, "success": [1.0] * 9 + [0.0] + [0.0] * 4})
    means, (below, above) = tell.points(rows.groupby("cell")["success"])
    assert means.to_dict() == {"a": 0.9, "b": 0.0}
    assert below["b"] == 0 and above["b"] == pytest.approx(1 - 0.025 ** (1 / 4))
    assert tell.rate(rows["success"][:10]) == f"0.900 [{0.9 - below['a']:.3f}, {0.9 + above['a']:.3f}]"


def test_a_difference_is_paired_over_images_whatever_the_rows_order() -> None:
    on, off = np.array([0.1, 0.2, 0.6, np.nan]), np.array([0.3, 0.1, 0.9, 0.5])
    rows = pandas.concat(
        pandas.DataFrame({"seed": 0, "sample_id": [*"abcd"], "hold": name, "l1": values})
        for name, values in (("on", on), ("off", off))
    ).sample(frac=1, random_state=0)
    low, high = stats.ttest_1samp((off - on)[:3], 0).confidence_interval()
    assert tell.difference(rows, "l1", "hold", "off", "on") == f"+0.133 [{low:.3f}, {high:.3f}]"


def test_seeds_of_the_noise_are_more_pairs_of_an_image_and_no_trainings() -> None:
    gaps = np.random.default_rng(0).normal(0.1, 1, (3, 20))
    rows = pandas.concat(
        pandas.DataFrame({"seed": seed, "sample_id": range(20), "hold": name, "l1": values})
        for seed, own in enumerate(gaps)
        for name, values in (("on", 0 * own), ("off", own))
    )
    low, high = stats.ttest_1samp(gaps.mean(0), 0).confidence_interval()
    assert tell.difference(rows, "l1", "hold", "off", "on") == f"{gaps.mean():+.3f} [{low:.3f}, {high:.3f}]"
