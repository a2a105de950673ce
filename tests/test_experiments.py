"""The tables of ``experiments/`` say what their stored rows say."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXPERIMENTS = Path(__file__).parent.parent / "experiments"


def test_the_tables_of_the_three_parts_are_those_of_their_sweep() -> None:
    study = EXPERIMENTS / "miniature"
    run = subprocess.run(
        [sys.executable, study / "components.py"], capture_output=True, text=True, check=True
    )
    tables = run.stdout.split("\n\n\n")
    assert len(tables) == 5 and all(table in (study / "README.md").read_text() for table in tables)


@pytest.mark.parametrize("study", ["hold_rules", "lessons", "robustness", "source_once", "speed"])
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
            ["summary.csv", "effects.csv", "before.csv"],
            "learned.png",
        ),
        ("lessons", "slices.py", ["samples.csv"], "slices.png"),
        ("localization", "maps.py", ["dev.csv", "test.csv"], "maps.png"),
        ("speed", "pareto.py", ["pareto.csv"], "pareto.png"),
        ("thresholds", "curves.py", ["dev.csv", "test.csv"], "curves.png"),
    ],
)
def test_the_tables_and_the_figure_of_a_study_are_those_of_its_rows(
    tmp_path: Path, study: str, script: str, rows: list[str], figure: str
) -> None:
    for name in (script, *rows):
        shutil.copy(EXPERIMENTS / study / name, tmp_path)
    run = subprocess.run([sys.executable, tmp_path / script], capture_output=True, text=True, check=True)
    told = (EXPERIMENTS / study / "README.md").read_text()
    assert all(table in told for table in run.stdout.split("\n\n\n"))
    assert (tmp_path / figure).stat().st_size > 10_000


def test_every_slice_has_its_page_of_pictures(tmp_path: Path) -> None:
    script = shutil.copy(EXPERIMENTS / "robustness" / "pages.py", tmp_path)
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    drawn = {path.name for path in tmp_path.glob("*.png")}
    assert len(drawn) == 7 == len(run.stdout.splitlines())
    assert drawn <= {path.name for path in (EXPERIMENTS / "robustness").glob("*.png")}
