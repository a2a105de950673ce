"""Sweepers that choose the next cells by what the last ones scored: refused where they cannot, kept where they can."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from editmgt.files import read_json
from editmgt.sweeps import objective

ROOT = Path(__file__).parent.parent.parent
SMALL = ["debug=few", "benchmark.resolution=32", "benchmark.size=2", "logger=none"]
OPTUNA = [
    "-m", "hydra/sweeper=optuna", "hydra.sweeper.direction=maximize", "hydra.sweeper.n_trials=3",
    "hydra.sweeper.n_jobs=1", "model.hold.threshold=interval(0.0,1.0)",
]  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore")


STUDY = ["experiment=hold_and_consolidation", "study.seeds=[0]"]
GRID = ["-m", *STUDY]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            [*OPTUNA, "metrics.names=[inside/l1]"],
            "OptunaSweeper chooses by edit/success, which is not computed: ",
        ),
        (
            [*OPTUNA, "metrics.names=[inside/l1]"],
            "metrics leaves it out. Computed here: inside/l1; the study of ",
        ),
        (
            [*OPTUNA, *STUDY, "study.primary=clip/i"],
            "study.primary=clip/i is not computed: metrics leaves it out.",
        ),
        ([*GRID, "study.primary=clip/i"], "study.primary=clip/i is not computed: metrics leaves it out."),
        (
            [*GRID, "benchmark=folder", "benchmark.path='{folder}'"],
            "benchmark=folder has no target and no edit mask.",
        ),
        (
            [*GRID, "benchmark=folder", "benchmark.path='{folder}'"],
            "Computed here: localization/held.",
        ),
    ],
)
def test_what_nobody_computes_is_no_objective(
    run: Callable[..., int],
    tiny_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    from PIL import Image

    folder = tmp_path / "pictures"
    (folder / "source").mkdir(parents=True)
    Image.new("RGB", (32, 32)).save(folder / "source" / "a.png")
    (folder / "instructions.jsonl").write_text('{"file": "a", "instruction": "make it red"}\n')
    arguments = [argument.format(folder=folder) for argument in arguments]
    small = [text for text in SMALL if "folder" not in str(arguments) or not text.startswith("benchmark.res")]
    assert run("evaluate", *arguments, *small, f"checkpoint='{tiny_bundle}'") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert said in line
    assert not Path("outputs").exists()


def test_a_training_that_edits_nothing_is_no_trial(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*OPTUNA[:-1], "experiment=tiny_base", "trainer.max_steps=1,2", "logger=none"]
    assert run("train", *arguments) == 2
    assert "edits nothing" in capsys.readouterr().err and not Path("outputs").exists()


def test_an_objective_that_no_sample_defines_ends_the_sweep_at_its_first_cell(
    run: Callable[..., int], tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No mask of scenes_noop has a pixel, which shows in its rows alone."""
    choice = [*STUDY, "study.primary=localization/auc", "benchmark=scenes_noop"]
    assert run("evaluate", *OPTUNA, *SMALL, *choice, f"checkpoint='{tiny_bundle}'") == 2
    assert "localization/auc is defined for no sample of " in capsys.readouterr().err.splitlines()[-1]
    assert len(list(Path("outputs/sweeps").glob("*/*/metrics.json"))) == 1


def test_what_a_sweeper_dies_of_is_one_line(
    run: Callable[..., int],
    tiny_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    storage = "hydra.sweeper.storage=sqlite:////no/such/folder/trials.db"
    assert run("evaluate", *OPTUNA, *SMALL, f"checkpoint='{tiny_bundle}'", storage) == 1
    err = capsys.readouterr().err
    assert "Traceback" not in err and "unable to open database file" in err, err
    assert "HYDRA_FULL_ERROR" not in os.environ


def test_a_storage_that_cannot_work_is_refused(
    run: Callable[..., int],
    tiny_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [*OPTUNA, *SMALL, f"checkpoint='{tiny_bundle}'"]
    for storage, installed, said in (
        ("sqlite:///trials.db", "2.0.1", "needs SQLAlchemy under 2, and 2.0.1 is installed: pip install"),
        ("trials.db", "1.4.54", "hydra.sweeper.storage=trials.db cannot be used: "),
    ):
        monkeypatch.setattr(objective, "version", lambda _, installed=installed: installed)
        assert run("evaluate", *arguments, f"hydra.sweeper.storage={storage}") == 2
        [line] = capsys.readouterr().err.splitlines()
        assert said in line
    assert list(Path().iterdir()) == []


def test_a_killed_sweep_with_a_storage_goes_on(
    run: Callable[..., int], tmp_path: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*OPTUNA, *SMALL, f"checkpoint='{tiny_bundle}'"]
    arguments += ["hydra.sweeper.storage=sqlite:///trials.db", "hydra.sweeper.study_name=threshold"]
    killed = subprocess.Popen(
        [sys.executable, ROOT / "evaluate.py", *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while killed.poll() is None and "done" not in states(tmp_path):
        time.sleep(0.05)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert run("evaluate", *arguments) == 0
    assert "done before, skipped" in capsys.readouterr().out
    assert states(Path()) == ["done"] * 3
    with closing(sqlite3.connect("trials.db")) as database:
        trials = [state for (state,) in database.execute("SELECT state FROM trials")]
        [(studies,)] = database.execute("SELECT COUNT(*) FROM studies")
    assert studies == 1 and trials.count("COMPLETE") >= 3


def states(directory: Path) -> list[str]:
    return [read_json(path)["state"] for path in directory.glob("outputs/sweeps/*/*/status.json")]
