"""Sweeps through the entry points in this process, with real editors and a stand-in for the training alone."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest

import editmgt.training
from editmgt.files import read_json, write_json
from editmgt.studies import command, trainings

ROOT = Path(__file__).parent.parent.parent
SMALL = ["debug=few", "benchmark.resolution=32", "benchmark.size=2"]
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setenv("WANDB_MODE", "offline")
    import evaluate
    import train

    entries = {"train": train.run, "evaluate": evaluate.run}
    return lambda task, *overrides: command.main(task, entries[task], ROOT / "conf", [*overrides])


@pytest.fixture
def trained(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Each training copies a bundle; with a condition dropout of 0.9 it fails."""
    calls: list[Path] = []

    def train(config: dict[str, Any], directory: Path, *, resume: Path | None, logger: Any) -> Path:
        calls.append(directory)
        if config["model"]["condition_dropout"] == 0.9:
            raise ValueError("no such luck")
        write_json(directory / "progress.json", {"before": {"loss": 5.0}, "after": {"loss": 2.0}})
        shutil.copytree(tiny_bundle, directory / "editor", dirs_exist_ok=True)
        return directory / "editor"

    monkeypatch.setattr(editmgt.training, "train", train)
    return calls


def sweep_directory() -> Path:
    [directory] = Path("outputs/sweeps").iterdir()
    return directory


def small_train(bundle: Path) -> list[str]:
    return [
        *SMALL,
        f"init_from='{bundle}'",
        "model.resolution=32",
        "data.resolution=32",
        "model.localization.layers=[1,2]",
        "logger=none",
    ]


def test_cells_that_differ_at_inference_share_a_training_and_a_rerun_skips_them(
    run: Callable[..., int], trained: list[Path], tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["-m", *small_train(tiny_bundle), "model.region_hold=true,false"]
    assert run("train", *arguments) == 0
    printed = capsys.readouterr().out
    assert len(trained) == 1 and "2 cells, 1 training" in printed
    assert "training shared with cell region_hold-true" in printed
    assert "loss 5.000 -> 2.000" in printed and "control: copy source" in printed
    directory = sweep_directory()
    summary = pandas.read_csv(directory / "report" / "summary.csv")
    assert summary["cell"].tolist()[:2] == ["region_hold-true", "region_hold-false"]
    assert (summary["kind"] == "control").sum() == 4
    for name in ("region_hold-true", "region_hold-false"):
        status = read_json(directory / name / "status.json")
        assert status["state"] == "done" and status["protocol_fingerprint"]
        assert (directory / name / "checkpoints" / "editor" / "model_index.json").is_file()
        assert f"../{name}/samples.png" in (directory / "report" / "report.md").read_text()
    assert run("train", *arguments) == 0
    assert len(trained) == 1 and capsys.readouterr().out.count("done before, skipped") == 2
    assert run("train", *arguments, "reuse=false") == 0
    assert len(trained) == 2
    assert all("=" not in path.name for path in Path("outputs").rglob("*"))


def test_a_failing_cell_is_recorded_and_the_others_go_on(
    run: Callable[..., int], trained: list[Path], tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["-m", *small_train(tiny_bundle), "model.condition_dropout=0.9,0.1"]
    assert run("train", *arguments) == 1
    captured = capsys.readouterr()
    assert "no such luck" in captured.err and "Traceback" not in captured.err + captured.out
    directory = sweep_directory()
    failed = read_json(directory / "condition_dropout-0.9" / "status.json")
    assert failed["state"] == "failed" and "no such luck" in failed["error"]
    assert "Traceback" in (directory / "condition_dropout-0.9" / "error.txt").read_text()
    assert read_json(directory / "condition_dropout-0.1" / "status.json")["state"] == "done"
    assert "failed" in (directory / "report" / "report.md").read_text()
    run("train", *arguments)  # failed ones are tried again
    assert len(trained) == 3


def test_a_training_is_told_apart_by_what_is_there(tmp_path: Path, tiny_bundle: Path) -> None:
    directory = tmp_path / "training"
    assert trainings.state(directory) == "absent"
    (directory / "checkpoints").mkdir(parents=True)
    write_json(directory / "status.json", {"state": "running"})
    assert trainings.state(directory) == "absent"
    (directory / "checkpoints" / "last.ckpt").write_bytes(b"half")
    assert trainings.state(directory) == "corrupt"
    import torch

    torch.save({}, directory / "checkpoints" / "last.ckpt")
    assert trainings.state(directory) == "unfinished"
    shutil.copytree(tiny_bundle, directory / "editor")
    assert trainings.state(directory) == "finished"
    os.truncate(directory / "editor" / "transformer" / "diffusion_pytorch_model.safetensors", 10)
    assert trainings.state(directory) == "corrupt"


def test_evaluate_logs_each_cell_to_its_own_offline_run(tmp_path: Path, tiny_bundle: Path) -> None:
    import subprocess

    environment = {k: v for k, v in os.environ.items() if not k.startswith("WANDB")}
    environment |= {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)}
    arguments = ["-m", *SMALL, f"checkpoint='{tiny_bundle}'", "model.region_hold=true,false"]
    done = subprocess.run(
        [sys.executable, ROOT / "evaluate.py", *arguments],
        cwd=tmp_path, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "wandb sync outputs/sweeps/" in done.stdout
    files = sorted(tmp_path.glob("outputs/sweeps/*/*/wandb/offline-run-*/*.wandb"))
    records = [read_offline(path) for path in files]
    assert len(records) == 2
    runs = [next(r.run for r in found if r.WhichOneof("record_type") == "run") for found in records]
    assert {r.display_name for r in runs} == {"region_hold-true", "region_hold-false"}
    assert len({r.run_group for r in runs}) == 1 and len({r.run_id for r in runs}) == 2
    for found in records:
        logged = {
            item.key or item.nested_key[0]
            for record in found
            if record.WhichOneof("record_type") == "history"
            for item in record.history.item
        }
        assert {"edit/success", "samples", "samples_table"} <= logged
        assert [r.exit.exit_code for r in found if r.WhichOneof("record_type") == "exit"] == [0]


def read_offline(path: Path) -> list[Any]:
    """The records of an offline run's file: LevelDB's log format behind a header of 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    data, position, block, records, part = path.read_bytes(), 7, 32768, [], b""
    while position + 7 <= len(data):
        left = block - position % block
        if left < 7:
            position += left
            continue
        length, kind = int.from_bytes(data[position + 4 : position + 6], "little"), data[position + 6]
        part += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            record = wandb_internal_pb2.Record()
            record.ParseFromString(part)
            records.append(record)
            part = b""
    return records
