"""What a real sweep tells W&B, read from the folders of its offline runs alone; and what an agent would run."""

import itertools
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from offline_runs import (
    artifacts,
    config_of,
    exit_codes,
    goals,
    history,
    logged,
    read_offline,
    run_record,
    tables,
)
from PIL import Image
from wandb_server import serving

from editmgt.benchmarks import build
from editmgt.config.benchmark import Benchmark
from editmgt.config.schema import Logger
from editmgt.files import read_json
from editmgt.metrics import REGISTRY
from editmgt.spreadsheet import from_csv
from editmgt.sweeps.compose import compose_all
from editmgt.sweeps.plan import make_plan
from editmgt.sweeps.wandb_sweep import sweep_yaml
from editmgt.tracking.sample_table import PICTURES, sample_table
from editmgt.tracking.tracker import start, sync_hint

ROOT = Path(__file__).parent.parent.parent
CELLS = ("region_hold-true", "region_hold-false")


def environment() -> dict[str, str]:
    """Of a process with a W&B service of its own, offline."""
    others = {key: value for key, value in os.environ.items() if not key.startswith("WANDB")}
    return others | {"PYTHONPATH": str(ROOT / "src"), "WANDB_MODE": "offline", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    """A sweep's directory: two cells that share a training of two steps, judged on three samples."""
    place = tmp_path_factory.mktemp("wandb")
    arguments = [
        "-m", "debug=smoke", "benchmark.resolution=32", "benchmark.size=3", f"init_from='{tiny_bundle}'",
        "model.resolution=32", "data.resolution=32", "model.localization.layers=[1,2]",
        "model.region_hold=true,false", "hydra.sweep.dir=study",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, ROOT / "train.py", *arguments], cwd=place, env=environment(), check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0 and "W&B could not" not in done.stdout, done.stdout + done.stderr
    return place / "study"


@pytest.fixture(scope="module")
def carried(sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The runs' folders on another machine: copies, with nothing else of the sweep within reach."""
    place = tmp_path_factory.mktemp("carried")
    found = {}
    for name in (*CELLS, ""):
        [folder] = (sweep / name / "wandb").glob("offline-run-*")
        read_offline(next(folder.glob("*.wandb")))  # its last record is written a moment after the end
        found[name] = shutil.copytree(folder, place / folder.name)
    return found


def records_of(folder: Path) -> list[Any]:
    return read_offline(next(folder.glob("*.wandb")))


def table(folder: Path, key: str) -> list[dict[str, Any]]:
    columns, rows = tables(folder)[key]
    return [dict(zip(columns, row, strict=True)) for row in rows]


def test_a_carried_folder_has_every_picture_of_its_table(sweep: Path, carried: dict[str, Path]) -> None:
    for name in CELLS:
        config = yaml.safe_load((sweep / name / "config.yaml").read_text())
        samples = {sample.sample_id: sample for sample in build(Benchmark.of(config["benchmark"]))}
        rows = table(carried[name], "samples_table")
        assert {row["sample_id"] for row in rows} == set(samples) and len(rows) == 3
        for row in rows:
            sample = samples[row["sample_id"]]
            assert all(row[kind].is_relative_to(carried[name]) for kind in PICTURES)
            pictures = {kind: np.asarray(Image.open(row[kind])) for kind in PICTURES}
            assert np.array_equal(pictures["source"], sample.source)
            assert np.array_equal(pictures["target"], sample.target)
            edited = Image.open(sweep / name / "images" / f"{row['sample_id']}.png")
            assert np.array_equal(pictures["edited"], np.asarray(edited))
            assert pictures["map"].shape == sample.source.shape and row["instruction"] == sample.instruction
        words = [path.read_text() for path in carried[name].rglob("*.table.json")]
        assert len(words) == 2 and not any('"Image"' in text for text in words)


def test_tables_of_a_group_can_be_joined(carried: dict[str, Path]) -> None:
    first, second = (tables(carried[name])["samples_table"] for name in CELLS)
    assert first[0] == second[0] and first[0][:7] == ["sample_id", *PICTURES, "instruction", "edit_type"]
    assert [row[0] for row in first[1]] == [row[0] for row in second[1]]


def test_what_is_logged_is_what_the_report_says(sweep: Path, carried: dict[str, Path]) -> None:
    for name in CELLS:
        found = logged(records_of(carried[name]))
        metrics = read_json(sweep / name / "metrics.json")
        assert {key: found.get(key) for key in metrics} == metrics and len(metrics) > 10
        header, *rows = from_csv((sweep / name / "samples.csv").read_text())
        scores = {row["sample_id"]: row for row in table(carried[name], "samples_table")}
        for row in rows:
            for column, text in zip(header, row, strict=True):
                value = scores[row[0]][column]
                assert value == (float(text) if isinstance(value, float) else text or None)
        assert all(isinstance(row["outside/l1"], float) for row in scores.values())
    for key in ("effects", "summary"):
        header, *rows = from_csv((sweep / "report" / f"{key}.csv").read_text())
        columns, stored = tables(carried[""])[f"report/{key}"]
        assert columns == header and len(stored) == len(rows) > 0
        for row, values in zip(rows, stored, strict=True):
            assert [
                float(text) if isinstance(v, float) else text or None
                for text, v in zip(row, values, strict=True)
            ] == values
    assert any(isinstance(value, float) for row in tables(carried[""])["report/effects"][1] for value in row)
    figures = {f"report/{path.stem}" for path in (sweep / "report").glob("*.png")}
    assert figures and figures <= logged(records_of(carried[""])).keys()


def test_metrics_have_directions_and_runs_their_group_tags_and_settings(carried: dict[str, Path]) -> None:
    for name in CELLS:
        records = records_of(carried[name])
        run, config, better = run_record(records), config_of(records), goals(records)
        assert (run.run_group, run.job_type, [*run.tags]) == ("study", "cell", ["train", "scenes"])
        assert config["model"]["region_hold"] is (name == "region_hold-true")
        assert config["training_fingerprint"] and config["protocol_fingerprint"]
        for metric, value in logged(records).items():
            spec = REGISTRY.get(metric.partition("[")[0])
            if spec is not None and isinstance(value, float | int):
                assert better.get(metric, 0) == {"lower": 1, "higher": 2, "neither": 0}[spec.direction]
        assert exit_codes(records) == [0]
    summary = run_record(records_of(carried[""]))
    assert (summary.run_group, summary.job_type, [*summary.tags]) == ("study", "summary", ["train", "scenes"])


def test_the_training_is_logged_once_and_its_editor_is_linked_from_every_cell(
    sweep: Path, carried: dict[str, Path]
) -> None:
    trained, shares = (records_of(carried[name]) for name in CELLS)
    losses = history(trained, "train/loss")
    assert len(losses) == 2 and all(map(math.isfinite, losses)) and history(trained, "dev/loss")
    assert not history(shares, "train/loss")
    log = read_json(next(sweep.parent.glob("outputs/trainings/*/status.json")))["log"]
    assert config_of(trained)["training_run"] == config_of(shares)["training_run"] == log
    [(name, made)] = [pair for pair in artifacts(trained).items() if pair[1].type == "model"]
    used = artifacts(shares)[name]
    assert made.digest == used.digest and name.startswith("editor-")
    assert (made.user_created, made.use_after_commit) == (False, False)  # an output of the run
    assert (used.user_created, used.use_after_commit) == (True, True)  # an input
    assert {"transformer/diffusion_pytorch_model.safetensors", "model_index.json"} <= {
        entry.path for entry in made.manifest.contents
    }


def test_artifacts_are_files_of_the_carried_folder(sweep: Path, carried: dict[str, Path]) -> None:
    for name, folder in carried.items():
        for artifact in artifacts(records_of(folder)).values():
            for entry in artifact.manifest.contents:
                assert not Path(entry.local_path).is_absolute()
                assert (folder / entry.local_path).stat().st_size == entry.size
        [results] = [a for a in artifacts(records_of(folder)).values() if a.type in ("results", "report")]
        paths = {entry.path: folder / entry.local_path for entry in results.manifest.contents}
        for file in ("metrics.json", "samples.csv") if name else ("effects.csv", "report.html", "report.md"):
            stored = sweep / name / file if name else sweep / "report" / file
            assert paths[file].read_bytes() == stored.read_bytes()


def test_wandb_sync_uploads_all_of_a_carried_folder(
    sweep: Path, carried: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By the line that the command prints, and from a folder alone; the server is all that is played."""
    folder = shutil.copytree(carried["region_hold-false"], tmp_path / "a b" / "wandb" / "offline-run-x")
    monkeypatch.setenv("WANDB_MODE", "offline")
    hint = sync_hint(tmp_path / "a b")
    assert hint is not None
    with serving() as server:
        online = environment() | {
            "WANDB_BASE_URL": server.address,
            "WANDB_API_KEY": "k" * 40,
            "WANDB_MODE": "online",
            "WANDB_ERROR_REPORTING": "false",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        done = subprocess.run(
            ["bash", "-c", hint], env=online, cwd=tmp_path, capture_output=True, text=True, timeout=600,
            check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    pictures = {path.relative_to(folder / "files").as_posix() for path in folder.rglob("files/**/*.png")}
    assert len(pictures) == 3 * len(PICTURES) + 1
    assert all(server.files[f"/run/{path}"] == (folder / "files" / path).read_bytes() for path in pictures)
    assert sorted(server.committed) == sorted(server.artifacts)
    for artifact in artifacts(records_of(folder)).values():
        [identity] = [key for key in server.artifacts if key.startswith(f"{artifact.name}@")]
        assert (identity in server.used) is (artifact.type == "model")
        assert server.artifacts[identity]["digest"] == artifact.digest
        for entry in artifact.manifest.contents:
            content = (folder / entry.local_path).read_bytes()
            assert server.files[f"/artifact/{identity}/{entry.path}"] == content


def grid(file: str) -> list[list[str]]:
    """The commands of a sweep file's agents, as wandb's own agent makes them."""
    from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

    parameters = yaml.safe_load(file)["parameters"]
    choices = [entry.get("values", [entry.get("value")]) for entry in parameters.values()]
    combinations = [dict(zip(parameters, values, strict=True)) for values in itertools.product(*choices)]
    arguments = [{key: {"value": value} for key, value in found.items()} for found in combinations]
    return [create_sweep_command_args({"args": found})["args_no_hyphens"] for found in arguments]


def test_agents_of_the_sweep_file_run_the_same_cells(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sweep.parent)
    file = (sweep / "report" / "wandb_sweep.yaml").read_text()
    found = [
        compose_all(ROOT / "conf", "train", arguments, False).cells[0].config.model_dump()
        for arguments in grid(file)
    ]
    assert found == [yaml.safe_load((sweep / name / "config.yaml").read_text()) for name in CELLS]
    values = yaml.safe_load(file)
    assert (values["method"], values["program"]) == ("grid", "train.py")
    assert values["metric"] == {"name": "edit/success", "goal": "maximize"}


@pytest.mark.parametrize(
    "study",
    [
        ["experiment=hold_and_consolidation", "model.region_hold=true"],
        ["experiment=hold_rules", "hold_setup=attention,otsu_first"],
    ],
)
def test_agents_run_the_cells_of_a_study(study: list[str], tmp_path: Path) -> None:
    """Each by itself, without the study that they are of."""
    arguments = [*study, "seed=0", "checkpoint=tiny_editor", f"hydra.sweep.dir={tmp_path / 's'}"]
    composition = compose_all(ROOT / "conf", "evaluate", arguments, True)
    file = sweep_yaml(make_plan("evaluate", composition, True), composition.cells[0].config)
    assert file is not None
    found = [
        compose_all(ROOT / "conf", "evaluate", command, False).cells[0].config.model_dump()
        for command in grid(file)
    ]
    wanted = [cell.config.model_dump() | {"study": None} for cell in composition.cells]
    assert len(found) == len(wanted) > 1 and all(config in wanted for config in found)
    assert all(config in found for config in wanted)


def test_no_more_pictures_than_asked_for_one_of_each_type_first(sweep: Path) -> None:
    cell = sweep / CELLS[0]
    benchmark = yaml.safe_load((cell / "config.yaml").read_text())["benchmark"]
    for most, rows in ((63, 3), (11, 2), (4, 1), (3, 0), (-1, 0)):
        _, found = sample_table(cell, Benchmark.of(benchmark), most)
        assert [sum(isinstance(value, Image.Image) for value in row) for row in found] == [4] * rows + [0] * (
            3 - rows
        )
    columns, found = sample_table(cell, Benchmark.of(benchmark), 8)
    types = [row[columns.index("edit_type")] for row in found]
    assert types[0] != types[1] or len(set(types)) == 1


LOGGER = {"name": "wandb", "project": "editmgt", "entity": None, "pictures": 64}


@pytest.mark.parametrize(("limit", "weights"), [(50, True), (0, False)])
def test_a_larger_editor_goes_along_without_its_weights(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, limit: int, weights: bool
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    tracker = start(tmp_path, Logger.model_validate(LOGGER | {"weights": limit}), {}, None, "cell")
    tracker.link_weights(tiny_bundle, "abc:fp16", made_here=False)
    tracker.finish(failed=False)
    [artifact] = artifacts(read_offline(next(tmp_path.glob("wandb/offline-run-*/*.wandb")))).values()
    files = {entry.path for entry in artifact.manifest.contents}
    assert artifact.name == "editor-abc-fp16" and "transformer/config.json" in files
    assert any(path.endswith(".safetensors") for path in files) is weights
    assert json.loads(artifact.metadata)["weights_go_along"] is weights


def test_a_cell_is_worth_more_than_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    tracker = start(tmp_path, Logger.model_validate(LOGGER), {}, None, "cell")
    (tmp_path / "samples.csv").write_bytes(b"\xff")
    tracker.log_results({"edit/success": 1.0})
    tracker.finish(failed=False)
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("W&B could not log its results: ")
    [file] = tmp_path.glob("wandb/offline-run-*/*.wandb")
    assert exit_codes(read_offline(file)) == [0]


def test_a_training_goes_on_when_wandb_dies(tmp_path: Path) -> None:
    """Its background process is killed, as a machine without memory does."""
    script = """if True:
        import psutil
        from pathlib import Path
        from editmgt.config.schema import Logger
        from editmgt.tracking.tracker import start
        logger = Logger(name="wandb", project="editmgt", entity=None)
        tracker = start(Path("cell"), logger, {}, None, "cell")
        curves = tracker.lightning_logger()
        curves.log_metrics({"train/loss": 2.0}, step=1)
        children = psutil.Process().children(recursive=True)
        for child in children:
            child.kill()
        psutil.wait_procs(children)
        curves.log_metrics({"train/loss": 1.0}, step=2)
        tracker.link_training("editmgt/abc")
        tracker.log_results({"edit/success": 1.0})
        tracker.finish(failed=False)
        print("the cell is done")
    """
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *told, last = done.stdout.splitlines()
    assert last == "the cell is done" and told and all(line.startswith("W&B could not log ") for line in told)
