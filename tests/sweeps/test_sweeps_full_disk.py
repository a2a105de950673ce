"""The real commands on a disk that fills up: the cell ends, and with room again the same command ends it well."""

import os
import subprocess
import sys
from pathlib import Path

import pandas
from full_disk import full_disk

from editmgt.files import read_json

ROOT = Path(__file__).parent.parent.parent
LIMIT = 600  # seconds, against a hang alone


def evaluate(directory: Path, bundle: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HF_HUB_OFFLINE": "1",
    }
    command = [
        sys.executable, str(ROOT / "evaluate.py"), "-m", f"checkpoint='{bundle}'", "name=full", "logger=none",
        "model.region_hold=true", "benchmark.size=4", "benchmark.batch_size=2", "benchmark.resolution=32",
        "sampler.steps=2",
    ]  # fmt: skip
    return subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
    )


def test_the_same_command_scores_every_row_once_there_is_room(tmp_path: Path, tiny_bundle: Path) -> None:
    """Room for the run's small files, and for no edits."""
    with full_disk(8_000):
        stopped = evaluate(tmp_path, tiny_bundle)
    assert stopped.returncode == 1, stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert "failed: cannot write" in stopped.stderr and "File too large" in stopped.stderr
    [cell] = (tmp_path / "outputs/sweeps").glob("*/*/status.json")
    assert read_json(cell)["state"] == "failed" and read_json(cell)["error"].startswith("cannot write")

    assert evaluate(tmp_path, tiny_bundle).returncode == 0
    assert read_json(cell)["state"] == "done"
    table = pandas.read_csv(cell.parent / "samples.csv")
    assert table["status"].tolist() == ["ok"] * 4
