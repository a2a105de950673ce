"""The tables of ``experiments/`` say what their stored rows say."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXPERIMENTS = Path(__file__).parent.parent / "experiments"


@pytest.mark.parametrize("study", ["hold_rules", "lessons", "source_once", "speed"])
def test_the_table_of_a_study_is_that_of_its_rows(study: str) -> None:
    command = [sys.executable, EXPERIMENTS / "table.py", study]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout in (EXPERIMENTS / study / "README.md").read_text()


def test_the_table_of_quality_against_time_is_that_of_its_rows(tmp_path: Path) -> None:
    for name in ("pareto.py", "pareto.csv"):
        shutil.copy(EXPERIMENTS / "speed" / name, tmp_path)
    run = subprocess.run([sys.executable, tmp_path / "pareto.py"], capture_output=True, text=True, check=True)
    assert run.stdout in (EXPERIMENTS / "speed" / "README.md").read_text()
    assert (tmp_path / "pareto.png").stat().st_size > 10_000
