"""The tables of ``experiments/`` say what their stored rows say."""

import subprocess
import sys
from pathlib import Path

EXPERIMENTS = Path(__file__).parent.parent / "experiments"


def test_the_table_of_the_hold_rules_is_that_of_its_rows() -> None:
    folder = EXPERIMENTS / "hold_rules"
    run = subprocess.run([sys.executable, folder / "table.py"], capture_output=True, text=True, check=True)
    assert run.stdout in (folder / "README.md").read_text()
