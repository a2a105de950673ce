"""Sweeps over real processes: launchers, process groups, and kills."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest

from editmgt.files import read_json
from editmgt.stores.trainings import state
from editmgt.sweeps.compose import compose_all
from editmgt.sweeps.status import INTERRUPTED

ROOT = Path(__file__).parent.parent.parent
FEW = ["debug=few", "benchmark.resolution=32", "benchmark.size=2", "logger=none"]
HANGS = 900  # seconds: guards against a hang (ranks wait for each other for 30 minutes), however busy the machine is
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def run(run: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The commands; what they start finds the package and the entry points."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'src'}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return run


def cell_states() -> list[str]:
    return [read_json(path)["state"] for path in Path("outputs/sweeps").glob("*/*/status.json")]


@pytest.mark.parametrize("launcher", [("joblib", "hydra.launcher.n_jobs=2"), ("submitit_local",)])
def test_launchers_run_cells_beside_each_other(
    run: Callable[..., int], tiny_bundle: Path, launcher: tuple[str, ...]
) -> None:
    name, *more = launcher
    cells = ["model.region_hold=false", "model.consolidation=true,false", f"checkpoint='{tiny_bundle}'"]
    assert run("evaluate", "-m", *FEW, *cells, f"hydra/launcher={name}", *more) == 0
    assert cell_states() == ["done", "done"]
    assert (
        len([path for path in Path("outputs/edits").iterdir() if path.is_dir()]) == 1
    )  # shared under a lock


def test_an_adaptive_sweeper_chooses_as_it_goes(
    run: Callable[..., int], tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "-m",
        *FEW,
        f"checkpoint='{tiny_bundle}'",
        "hydra/sweeper=optuna",
        "hydra.sweeper.n_trials=3",
    ]
    arguments += ["hydra.sweeper.n_jobs=1", "model.hold.threshold=interval(0.0,1.0)"]
    assert run("evaluate", *arguments) == 2
    assert "set hydra.sweeper.direction=maximize" in capsys.readouterr().err
    assert run("evaluate", *arguments, "hydra.sweeper.direction=maximize", "plan=only") == 0
    assert "OptunaSweeper chooses the cells as it goes" in capsys.readouterr().out
    assert run("evaluate", *arguments, "hydra.sweeper.direction=maximize") == 0
    assert cell_states() == ["done"] * 3 and list(Path("outputs/sweeps").glob("*/report/summary.csv"))
    capsys.readouterr()
    assert run("evaluate", *arguments, "hydra.sweeper.direction=maximize") == 0
    assert capsys.readouterr().out.count("done before, skipped") == 3


def test_a_killed_rank_ends_its_cell_and_the_sweep_goes_on(
    run: Callable[..., int],
    tiny_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import shutil

    from editmgt.stores.identity import training_directory

    arguments = [
        "-m", "debug=smoke", "benchmark.resolution=32", "benchmark.size=2", "model.resolution=32", "data.resolution=32",
        "model.localization.layers=[1,2]", "logger=csv", f"init_from='{tiny_bundle}'", "trainer.max_steps=1000000",
        "trainer.devices=2", "trainer.strategy=ddp", "trainer.precision=32-true", "trainer.val_check_interval=1000000",
        "seed=0,1",
    ]  # fmt: skip
    long, other = (cell.config for cell in compose_all(ROOT / "conf", "train", arguments[1:], True).cells)
    shutil.copytree(tiny_bundle, training_directory(other, Path()) / "editor")
    training = training_directory(long, Path())
    killed: list[float] = []

    def kill_a_rank() -> None:
        deadline = time.monotonic() + HANGS
        while not killed and time.monotonic() < deadline:
            time.sleep(0.2)
            if (training / "log.jsonl").is_file():
                [*ranks] = processes("editmgt.training.worker", str(training), "LOCAL_RANK=1")
                os.kill(ranks[-1], signal.SIGKILL)
                killed.append(time.monotonic())

    watcher = threading.Thread(target=kill_a_rank)
    watcher.start()
    status = run("train", *arguments)
    watcher.join()
    assert status == 1 and killed
    [failed] = Path("outputs/sweeps").glob("*/seed-0/status.json")
    assert (
        read_json(failed)["state"] == "failed"
        and "2 processes ended with status" in read_json(failed)["error"]
    )
    assert failed.stat().st_mtime - (time.time() - time.monotonic()) - killed[0] < HANGS
    assert read_json(failed.parents[1] / "seed-1" / "status.json")["state"] == "done"
    assert "Traceback" not in capsys.readouterr().err
    assert "train/loss" in pandas.read_csv(
        failed.parent / "csv" / "version_0" / "metrics.csv"
    )  # what rank 0 measured
    assert state(training) != "finished"
    assert not list(processes("editmgt.training.worker", str(training), ""))


@pytest.mark.parametrize("devices", [1, 2])
def test_a_sweep_that_is_terminated_ends_whole(tmp_path: Path, tiny_bundle: Path, devices: int) -> None:
    """A scheduler's SIGTERM is Ctrl-C: no next cell, no rank left behind, and the same command goes on."""
    group = ["trainer.devices=2", "trainer.strategy=ddp", "trainer.precision=32-true"] if devices == 2 else []
    command = [
        sys.executable, ROOT / "train.py", "-m", "debug=smoke", "benchmark.resolution=32", "benchmark.size=2",
        "model.resolution=32", "data.resolution=32", "model.localization.layers=[1,2]", "logger=none",
        f"init_from='{tiny_bundle}'", "trainer.max_steps=1000000", "trainer.val_check_interval=1000000",
        *group, "seed=0,1",
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    with (tmp_path / "said.txt").open("w") as said:
        sweep = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=said, stderr=said)
    while sweep.poll() is None and not list(tmp_path.glob("outputs/trainings/*/checkpoints/last.ckpt")):
        time.sleep(0.2)
    sweep.terminate()
    assert sweep.wait(timeout=HANGS) == 130
    printed = (tmp_path / "said.txt").read_text()
    assert "The same command goes on where this stopped" in printed and "Traceback" not in printed
    [status] = tmp_path.glob("outputs/sweeps/*/*/status.json")
    assert read_json(status)["error"] == INTERRUPTED and status.parent.name == "seed-0"
    [training] = (path for path in (tmp_path / "outputs/trainings").iterdir() if path.is_dir())
    assert state(training) == "unfinished"
    assert not list(processes("editmgt.training.worker", str(training.relative_to(tmp_path)), ""))


def processes(module: str, directory: str, variable: str) -> list[int]:
    """Processes of a module that name a directory, with a variable in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().decode().split("\0")
            environment = (path / "environ").read_bytes().decode().split("\0")
        except (OSError, UnicodeDecodeError):
            continue
        if module in words and directory in words and (not variable or variable in environment):
            found.append(int(path.name))
    return found


def test_a_sweep_that_is_killed_at_any_moment_finishes_later(tmp_path: Path, tiny_bundle: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "killed_sweep.py", "4", tiny_bundle],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert outcome["kills"] == 4 and outcome["broken"] == []


def test_the_study_of_components_is_killed_goes_on_and_answers(tmp_path: Path, tiny_bundle: Path) -> None:
    small = [
        "debug=smoke",
        "benchmark.resolution=32",
        "model.resolution=32",
        "data.resolution=32",
        "logger=none",
    ]
    small += ["model.localization.layers=[1,2]", "model.localization.single_layer=2", "trainer.num_threads=1"]
    command = [sys.executable, ROOT / "train.py", "-m", "experiment=components", "seed=0,1", *small]
    command += [f"init_from='{tiny_bundle}'"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    killed = subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True)
    while killed.poll() is None and len(list(tmp_path.glob("outputs/sweeps/*/*/metrics.json"))) < 3:
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL

    again = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr[-2000:]
    assert again.stdout.count("done before, skipped") >= 2  # the third may not have said so yet
    assert len([path for path in (tmp_path / "outputs/trainings").iterdir() if path.is_dir()]) == 4
    report = next(tmp_path.glob("outputs/sweeps/*/report"))
    assert len(pandas.read_csv(report / "summary.csv").dropna(subset="seed")) >= 16
    effects = pandas.read_csv(report / "effects.csv")
    assert {"effect", "estimate", "low", "high", "p", "n"} <= set(effects)
    for switch in ("attention_injection", "consolidation", "region_hold"):
        assert effects["effect"].str.contains(switch).any()
    first = "\n".join((report / "report.md").read_text().splitlines()[:5])
    assert "edit/success" in first and "2 training seeds" in first
