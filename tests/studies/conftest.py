"""The commands, run in this process."""

from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """``train.py`` and ``evaluate.py`` in an empty directory: run(task, override, ...) returns the exit status."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT))
    import evaluate
    import train
    from editmgt.studies import command

    entries = {"train": train.run, "evaluate": evaluate.run}
    return lambda task, *overrides: command.main(task, entries[task], ROOT / "conf", [*overrides])
