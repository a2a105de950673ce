"""Fixtures shared by the rooms: golden tensors, and a complete editor with small random weights.

Heavy imports stay inside the fixtures, so that tests which need no model start at once.
"""

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from editmgt.editing import Editor


# Tests share the cores as processes: a thread each here, and in whatever they start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples every time, and no clock: the machine may be busy.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def golden() -> Path:
    """Outputs of the published implementation."""
    return Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in the real layout; random weights; 32x32 pixels are 8x8 codes are 4x4 cells."""
    import torch
    from tiny_parts import SETTINGS, build_codec, build_text_encoder, build_transformer

    from editmgt.editing import Editor

    directory = tmp_path_factory.mktemp("bundle") / "editor"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        parts = build_codec(), build_text_encoder(), build_transformer()
    Editor(*parts, SETTINGS, timestep_convention="mask_ratio").save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def tiny_editor(tiny_bundle: Path) -> "Editor":
    """The editor in ``tiny_bundle``; do not change it."""
    from editmgt.editing import Editor

    return Editor.from_pretrained(tiny_bundle)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """``train.py`` and ``evaluate.py`` in an empty directory: run(task, override, ...) returns the exit status."""
    root = Path(__file__).parent.parent
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(root))
    import evaluate
    import train
    from editmgt.sweeps import command

    entries = {"train": train.run, "evaluate": evaluate.run}
    return lambda task, *overrides: command.main(task, entries[task], root / "conf", [*overrides])


@pytest.fixture
def script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """``python SCRIPT ARGUMENT ...`` in an empty directory, in this process, which has imported the libraries before."""
    root = Path(__file__).parent.parent
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(root))

    def run(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        path = str(root / name)
        monkeypatch.setattr(sys, "argv", [path, *arguments])
        capfd.readouterr()
        try:
            runpy.run_path(path, run_name="__main__")
            status = 0
        except SystemExit as ended:
            status = int(ended.code or 0)
        return subprocess.CompletedProcess([name, *arguments], status, *capfd.readouterr())

    return run
