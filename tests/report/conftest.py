from pathlib import Path

import pytest
from stored_sweep import write_sweep
from two_parts import FACTORS, score


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return write_sweep(tmp_path / "sweep", FACTORS, [0, 1, 2], score, samples=24)
