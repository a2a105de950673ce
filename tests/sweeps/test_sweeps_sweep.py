"""Sweeps through the entry points in this process, with real editors and a stand-in for the training alone."""

import os
import resource
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest
import torch
import yaml
from offline_runs import exit_codes, logged_keys, read_offline, run_record

import editmgt.training
from editmgt.config.schema import Train
from editmgt.editing import Editor
from editmgt.editing.reading import Reader
from editmgt.files import read_json, write_json
from editmgt.stores import trainings
from editmgt.stores.fingerprint import digest
from editmgt.sweeps import command

ROOT = Path(__file__).parent.parent.parent
SMALL = ["debug=few", "benchmark.resolution=32", "benchmark.size=2"]
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def run(run: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The commands; W&B writes files alone."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    return run


@pytest.fixture
def trained(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Each training copies a bundle; with a condition dropout of 0.9 it fails."""
    calls: list[Path] = []

    def train(config: Train, directory: Path, *, resume: Path | None, logger: Any) -> Path:
        calls.append(directory)
        if config.model.condition_dropout == 0.9:
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
    assert (directory / "report" / "strip.png").is_file()
    summary = pandas.read_csv(directory / "report" / "summary.csv")
    assert summary["cell"].tolist()[:2] == ["region_hold-true", "region_hold-false"]
    assert (summary["kind"] == "control").sum() == 4
    for name in ("region_hold-true", "region_hold-false"):
        status = read_json(directory / name / "status.json")
        assert status["state"] == "done"
        assert status["protocol_fingerprint"] == digest(read_json(directory / name / "protocol.json"))
        index = read_json(directory / name / "checkpoints" / "editor" / "model_index.json")
        assert index["edit_settings"]["region_hold"] == (name == "region_hold-true")  # edits as its cell did
        assert f"../{name}/samples.png" in (directory / "report" / "report.md").read_text()
    assert run("train", *arguments) == 0
    assert len(trained) == 1 and capsys.readouterr().out.count("done before, skipped") == 2
    away = Path("outputs/trainings").rename("away")  # a sweep that was moved without them is still whole
    assert run("train", *arguments) == 0
    assert len(trained) == 1 and capsys.readouterr().out.count("done before, skipped") == 2
    away.rename("outputs/trainings")
    rows = directory / "region_hold-true" / "samples.csv"
    whole = rows.read_text()
    rows.write_text("".join(whole.splitlines(keepends=True)[:2]))
    assert run("train", *arguments) == 0
    assert rows.read_text() == whole and capsys.readouterr().out.count("done before, skipped") == 1
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
    capsys.readouterr()
    run("train", *arguments)  # failed ones are tried again
    printed = capsys.readouterr().out
    assert len(trained) == 3
    assert "retry     condition_dropout-0.9 (ValueError: no such luck)" in printed
    assert "done      condition_dropout-0.1" in printed


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize(
    ("task", "arguments", "said"),
    [
        ("evaluate", ["checkpoint='{bundle}'", "device=cuda"], "device=cuda is not available here."),
        (
            "train",
            ["init_from='{bundle}'", "model.localization.layers=[1,2]", "trainer=gpu"],
            "trainer.accelerator=gpu trainer.devices=1: this machine has none of them; trainer=cpu trains without.",
        ),
    ],
)
def test_a_gpu_that_is_not_there_fails_the_cell_in_one_line(
    run: Callable[..., int],
    tiny_bundle: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    task: str,
    arguments: list[str],
    said: str,
) -> None:
    """A machine that another one planned for, as on a cluster, tells it of the cell."""
    monkeypatch.setattr(command, "check_machine", lambda configs: None)
    assert run(task, *(text.format(bundle=tiny_bundle) for text in arguments), "logger=none") == 1
    assert f"{task}-0001 failed: {said}" in capsys.readouterr().err.splitlines()
    assert read_json(Path(f"outputs/runs/{task}-0001/status.json"))["error"] == said


def test_whatever_a_table_shows_is_edited_in_the_precision_that_was_asked_for(
    run: Callable[..., int], tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The controls too, and one load of the weights serves them all."""
    loaded: list[torch.dtype] = []
    whole = Editor.from_pretrained

    def counted(*arguments: Any, **options: Any) -> Editor:
        loaded.append(options["dtype"])
        return whole(*arguments, **options)

    monkeypatch.setattr(Editor, "from_pretrained", counted)
    assert run("evaluate", *SMALL, f"checkpoint='{tiny_bundle}'", "dtype=bfloat16", "logger=none") == 0
    assert loaded == [torch.bfloat16]


def test_what_becomes_of_the_text_encoder_is_told_to_the_reader_in_use(
    run: Callable[..., int], tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    whole = Reader.read

    def noting(reader: Reader, *arguments: Any) -> Any:
        read.append(reader.afterwards)
        return whole(reader, *arguments)

    monkeypatch.setattr(Reader, "read", noting)
    offload = ["text_encoder_afterwards=offload", "logger=none"]
    assert run("evaluate", *SMALL, f"checkpoint='{tiny_bundle}'", *offload) == 0
    assert set(read) == {"offload"}


def test_cells_with_the_same_active_settings_share_their_edits(
    run: Callable[..., int], tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "-m",
        *SMALL,
        f"checkpoint='{tiny_bundle}'",
        "model.localization.layers=[1,2]",
        "model.localization.single_layer=3",
        "model.region_hold=true,false",
        "model.consolidation=true,false",
        "logger=none",
    ]
    assert run("evaluate", *arguments, "plan=only") == 0
    assert "4 cells, 3 passes of edits" in capsys.readouterr().out
    assert not Path("outputs").exists()
    assert run("evaluate", *arguments) == 0
    printed = capsys.readouterr().out
    assert "4 cells, 3 passes of edits" in printed and printed.count("edits shared with cell") == 1
    assert len([path for path in Path("outputs/edits").iterdir() if path.is_dir()]) == 3
    shared = rows(sweep_directory())
    shutil.rmtree("outputs/sweeps")
    assert run("evaluate", *arguments, "reuse=false") == 0
    for edits in (Path("outputs/edits"), sweep_directory() / "edits"):
        assert len([path for path in edits.iterdir() if path.is_dir()]) == 3
    for name, table in rows(sweep_directory()).items():
        pandas.testing.assert_frame_equal(shared[name], table)
    raw, averaged = (shared[f"region_hold-false__consolidation-{word}"] for word in ("false", "true"))
    changed = [name for name in raw if not raw[name].equals(averaged[name])]
    assert changed and all(name.startswith("localization/") for name in changed)


def test_sources_of_the_map_share_their_edits_with_hold_off(
    run: Callable[..., int], tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = ("attention", "posterior", "guidance")
    arguments = ["-m", *SMALL, f"checkpoint='{tiny_bundle}'", "model.region_hold=false", "logger=none"]
    assert run("evaluate", *arguments, f"model.localization.source={','.join(sources)}") == 0
    printed = capsys.readouterr().out
    assert "3 cells, 1 pass of edits" in printed and printed.count("edits shared with cell") == 2
    attention, *others = (rows(sweep_directory())[f"source-{source}"] for source in sources)
    for other in others:
        changed = {name for name in other if not other[name].equals(attention[name])}
        assert changed and all(name.startswith("localization/") for name in changed)
    assert not others[0].equals(others[1])


def test_the_study_of_hold_rules_runs_from_its_file(
    run: Callable[..., int], tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["-m", *SMALL, f"checkpoint='{tiny_bundle}'", "logger=none", "experiment=hold_rules"]
    assert run("evaluate", *arguments) == 0
    assert "8 cells, 8 passes of edits" in capsys.readouterr().out
    tables = rows(sweep_directory())
    assert {name for name, table in tables.items() if (table["status"] == "ok").all()} == {
        f"hold_setup-{path.stem}" for path in (ROOT / "conf" / "hold_setup").glob("*.yaml")
    }
    without = {name for name, table in tables.items() if table["localization/iou"].isna().all()}
    assert without == {"hold_setup-likelihood_first", "hold_setup-otsu_first"}  # rules that have no threshold
    effects = (sweep_directory() / "report" / "effects.csv").read_text()
    assert all(
        f"hold_setup: attention → {way}," in effects for way in ("none", "posterior", "guidance_first")
    )


def rows(directory: Path) -> dict[str, pandas.DataFrame]:
    """Each cell's rows, but for their times."""
    files = directory.glob("*/samples.csv")
    return {path.parent.name: pandas.read_csv(path).filter(regex="^(?!speed/)") for path in files}


def test_a_study_runs_from_its_file_and_old_results_are_not_mixed(
    run: Callable[..., int], tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["-m", *SMALL, f"checkpoint='{tiny_bundle}'", "logger=none", "study.seeds=[0,1]"]
    arguments += ["experiment=hold_and_consolidation", "model.consolidation=true"]
    assert run("evaluate", *arguments) == 0
    assert "4 cells, 4 passes" in capsys.readouterr().out
    directory = sweep_directory()
    study = yaml.safe_load((directory / "study.yaml").read_text())
    assert study["factors"] == {"model.region_hold": [True, False]} and study["seeds"] == [0, 1]
    assert study["baseline"] == {"model.region_hold": True} and study["acts_through"] == {}
    seeds = {path.parent.name: set(pandas.read_csv(path)["seed"]) for path in directory.glob("*/samples.csv")}
    assert seeds == {
        f"region_hold-{hold}__seed-{seed}": {seed} for hold in ("true", "false") for seed in (0, 1)
    }

    broken = directory / "region_hold-true__seed-0" / "metrics.json"
    broken.write_text('{"n": ')
    assert run("evaluate", *arguments) == 0
    printed = capsys.readouterr().out
    assert "metrics.json cannot be read: judging again" in printed and printed.count("done before") == 3
    assert read_json(broken)["n"] == 2

    # the same cells under another setting, as an edited file of conf/ would make them
    for path in directory.glob("*/config.yaml"):
        config = yaml.safe_load(path.read_text())
        config["benchmark"]["size"] = 99
        path.write_text(yaml.safe_dump(config))
        status = read_json(path.with_name("status.json"))
        write_json(path.with_name("status.json"), status | {"protocol_fingerprint": "another"})
    assert run("evaluate", *arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "4 cells finished under other settings (benchmark.size was 99 and is 2)" in line


def test_a_full_disk_fails_the_cell_and_not_the_sweep(
    run: Callable[..., int], trained: list[Path], tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ["-m", *small_train(tiny_bundle)]
    assert run("train", *base, "model.condition_dropout=0.1") == 0
    largest = max(path.stat().st_size for path in tiny_bundle.rglob("*.safetensors"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest - 1, limits[1]))
    try:
        assert run("train", *base, "model.condition_dropout=0.2,0.1") == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    captured = capsys.readouterr()
    assert "condition_dropout-0.2 failed" in captured.err and "Traceback" not in captured.err
    states = {
        path.parent.name: read_json(path)["state"] for path in Path("outputs/sweeps").glob("*/*/status.json")
    }
    assert states["condition_dropout-0.1"] == "done" and states["condition_dropout-0.2"] == "failed"
    assert run("train", *base, "model.condition_dropout=0.2,0.1") == 0


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
    assert "for run in outputs/sweeps/" in done.stdout and "wandb sync ." in done.stdout
    files = sorted(tmp_path.glob("outputs/sweeps/*/*/wandb/offline-run-*/*.wandb"))
    records = [read_offline(path) for path in files]
    assert len(records) == 2
    runs = [run_record(found) for found in records]
    assert {r.display_name for r in runs} == {"region_hold-true", "region_hold-false"}
    assert len({r.run_group for r in runs}) == 1 and len({r.run_id for r in runs}) == 2
    for found in records:
        assert {"edit/success", "samples", "samples_table"} <= logged_keys(found)
        assert exit_codes(found) == [0]
    [summary] = [read_offline(path) for path in tmp_path.glob("outputs/sweeps/*/wandb/offline-run-*/*.wandb")]
    assert run_record(summary).run_group == runs[0].run_group and run_record(summary).job_type == "summary"
    assert "report/summary" in logged_keys(summary) and exit_codes(summary) == [0]
