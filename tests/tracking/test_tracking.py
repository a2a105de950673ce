"""What W&B is told: read back from its offline files."""

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas
import pytest
from offline_runs import config_of, exit_codes, history, logged_keys, read_offline, run_record
from PIL import Image

from editmgt import dashboard
from editmgt.config.schema import Logger
from editmgt.files import read_json, write_atomic, write_json
from editmgt.results import Row, RunDirectory
from editmgt.tracking.tracker import log_study, start, sync_hint

LOGGER = Logger(name="wandb", project="editmgt", entity=None, pictures=64, weights=50)
CONFIG: dict[str, Any] = {"seed": 3}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")


def offline_runs(directory: Path) -> list[list[Any]]:
    return [read_offline(path) for path in sorted(directory.glob("wandb/offline-run-*/*.wandb"))]


def test_an_offline_rerun_is_a_run_of_its_own_that_names_the_first_and_a_failed_one_is_failed(
    tmp_path: Path,
) -> None:
    config = CONFIG | {"training_fingerprint": "f"}
    failed = start(tmp_path, LOGGER, config, "study", "cell")
    failed.finish(failed=True)
    again = start(tmp_path, LOGGER, config, "study", "cell")
    own = again.log
    again.link_training("editmgt/abc")
    RunDirectory(tmp_path).row_file(["edit/success"]).replace(
        [Row("a", seed=0, values={"edit/success": 1.0})]
    )
    Image.new("RGB", (4, 4)).save(tmp_path / "samples.png")
    again.log_results({"edit/success": 1.0})
    again.finish(failed=False)
    runs = sorted(offline_runs(tmp_path), key=lambda records: exit_codes(records) != [1])
    assert [exit_codes(records) for records in runs] == [[1], [0]]
    first, second = (run_record(records).run_id for records in runs)
    assert first != second == read_json(tmp_path / "wandb.json")["id"]
    assert config_of(runs[1])["resumes"] == first and "resumes" not in config_of(runs[0])
    assert {run_record(records).run_group for records in runs} == {"study"}
    assert own is not None and own.endswith(f"editmgt/{read_json(tmp_path / 'wandb.json')['id']}")
    assert {"edit/success", "samples", "samples_table"} <= logged_keys(runs[1])
    assert config_of(runs[1])["training_run"] == "editmgt/abc"
    assert all(config_of(records)["training_fingerprint"] == "f" for records in runs)
    assert config["seed"] == 3 and len(config.get("git_commit", "0" * 40)) == 40


def test_an_uploaded_rerun_overwrites_nothing(tmp_path: Path) -> None:
    """What a server gets of a training that was resumed offline: every step once, in a run that nobody else writes."""
    for steps in (range(1, 4), range(3, 6)):  # a kill between two checkpoints repeats a step
        tracker = start(tmp_path / "a cell", LOGGER, CONFIG, "study", "cell")
        for step in steps:
            tracker.lightning_logger().log_metrics({"train/loss": 1 / step}, step=step)
        tracker.finish(failed=False)
    hint = sync_hint(tmp_path)
    assert hint is not None
    listed = subprocess.run(
        ["bash", "-c", hint.replace("wandb sync .", "pwd")], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    runs = [read_offline(path) for folder in listed for path in Path(folder).glob("*.wandb")]
    ids = [run_record(records).run_id for records in runs]
    assert len(ids) == len(set(ids)) == 2
    assert sorted(history(records, "train/loss") for records in runs) == [
        [1 / 3, 1 / 4, 1 / 5],
        [1, 1 / 2, 1 / 3],
    ]


@pytest.mark.parametrize(
    ("mode", "said", "logged"),
    [("online", "No API key configured", "offline"), ("ofline", "'ofline'", "nowhere")],
)
def test_nobody_is_asked_and_the_reason_is_told(tmp_path: Path, mode: str, said: str, logged: str) -> None:
    """On a terminal, without a login: W&B would ask there for an account, and wait."""
    script = """if True:
        from pathlib import Path
        from editmgt.config.schema import Logger
        from editmgt.tracking.tracker import start
        start(Path(), Logger(name="wandb", project="editmgt"), {}, None, "cell").finish(failed=False)
    """
    main, terminal = pty.openpty()
    others = {key: value for key, value in os.environ.items() if not key.startswith("WANDB")}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, stdin=terminal, stdout=subprocess.PIPE, stderr=terminal,
        env=others | {"WANDB_MODE": mode, "NETRC": "none", "TERM": "xterm"}, text=True, timeout=600, check=True,
    )  # fmt: skip
    os.close(terminal)
    os.close(main)
    [line] = done.stdout.splitlines()
    assert line.startswith("W&B could not start") and said in line
    assert len([*tmp_path.glob("wandb/offline-run-*/*.wandb")]) == (logged == "offline")


@pytest.mark.parametrize(
    ("stored", "same"),
    [({"id": "a", "mode": "online"}, True), ({"id": "a"}, True), ({"id": "a", "mode": "offline"}, False)],
)
def test_only_what_a_server_has_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored: dict[str, str], same: bool
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setattr("wandb.init", lambda **options: asked.update(options))
    write_json(tmp_path / "wandb.json", stored)
    start(tmp_path, LOGGER, CONFIG, "study", "cell")
    assert (asked["id"] == "a") is same and asked["resume"] == "allow"
    assert asked["config"].get("resumes") == (None if same else "a")
    assert read_json(tmp_path / "wandb.json") == {"id": asked["id"], "mode": "online"}


def test_a_resumed_training_keeps_its_first_curves(tmp_path: Path) -> None:
    for loss in (2.0, 1.0):
        logger = start(tmp_path, Logger(name="csv"), {}, None, "cell").lightning_logger()
        logger.log_metrics({"train/loss": loss}, step=1)
        logger.save()
    curves = [
        pandas.read_csv(path)["train/loss"].tolist() for path in sorted(tmp_path.glob("csv/*/metrics.csv"))
    ]
    assert curves == [[2.0], [1.0]]


def test_the_summary_run_holds_the_reports_tables_and_figures(tmp_path: Path) -> None:
    write_atomic(tmp_path / "report" / "effects.csv", "effect,estimate\nmodel.region_hold,0.1\n")
    Image.new("RGB", (4, 4)).save(tmp_path / "report" / "forest.png")
    log_study(tmp_path, LOGGER)
    [records] = offline_runs(tmp_path)
    assert {"report/effects", "report/forest"} <= logged_keys(records)
    assert run_record(records).job_type == "summary" and run_record(records).run_group == tmp_path.name


def test_a_dashboard_needs_a_login(capsys: pytest.CaptureFixture[str]) -> None:
    assert dashboard.main(["editmgt"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "W&B is offline here" in line and "wandb login" in line
    assert dashboard.main([]) == 2 and "usage" in capsys.readouterr().err


def test_the_dashboard_shows_what_is_logged() -> None:
    page = str(dashboard.workspace("me", "editmgt")._to_model().model_dump())
    for name in ("edit/success", "outside_codec/l1", "report/effects", "samples_table", "train/loss"):
        assert name in page
