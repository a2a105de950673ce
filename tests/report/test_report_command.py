"""The command that makes a report anew: what it refuses, in one line, and what a full disk leaves."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from stored_sweep import write_sweep
from two_parts import FACTORS, HOLD, quiet, score

from editmgt.errors import UserError
from editmgt.report import __main__ as command
from editmgt.report import build
from editmgt.report.analysis import analyse


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"primary": "edit/sucess"}, "primary=edit/sucess is no metric. Did you mean 'edit/success'"),
        (
            {"factors": {"model.region_hol": [True, False]}},
            "model.region_hol, which no cell has. Did you mean",
        ),
        (
            {"baseline": {HOLD: "maybe"}},
            f"baseline {HOLD}=maybe is none of the factor's values (true, false)",
        ),
        ({"baseline": {"model.hold": True}}, "baseline names model.hold, which is no factor"),
        ({"correction": "bonferroni"}, "correction=bonferroni must be one of holm"),
        (
            {"acts_through": {HOLD: {HOLD: True}}},
            f"study.yaml: acts_through goes round in a circle, {HOLD} → {HOLD}: leave one of them out.",
        ),
        ({"factors": None}, "factors=null must be a group of keys"),
    ],
)
def test_a_study_that_names_what_is_not_there_is_one_line(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    study = {
        "factors": {HOLD: [True, False]},
        "baseline": {HOLD: True},
        "seeds": [0],
        "primary": "edit/success",
        "correction": "holm",
    } | change
    write_sweep(
        tmp_path, {HOLD: [True, False]}, [0], lambda *_: {"edit/success": 1.0}, samples=2, study=study
    )
    if "factors" in change:
        study["baseline"] = {}
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    with pytest.raises(UserError, match=re.escape(said)) as error:
        analyse(tmp_path)
    assert "\n" not in str(error.value)


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(tmp_path)]) == 2
    assert "is no run and no sweep" in capsys.readouterr().err
    assert command.main([]) == 2
    done = subprocess.run(
        [sys.executable, "-m", "editmgt.report", str(tmp_path / "nowhere")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr and "nowhere" in done.stderr


def test_a_report_waits_for_no_models_libraries(tmp_path: Path) -> None:
    """They take longer to import than a report to make."""
    write_sweep(tmp_path, FACTORS, [0], score, samples=4)
    code = (
        "import sys\nfrom pathlib import Path\nfrom editmgt.report import build\n"
        f"build(Path({str(tmp_path)!r}))\n"
        "print(*{'diffusers', 'transformers', 'lightning', 'wandb'} & {*sys.modules}, 'nothing else', sep=', ')"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.splitlines()[-1] == "nothing else"


def _no_space(path: Path, content: str | bytes) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("missing", "missing is no run and no sweep"),
        ("file", "file is no run and no sweep"),
        ("file/below", "file/below is no run and no sweep"),
        ("empty", "empty is no run and no sweep"),
        ("x" * 5000, "cannot be made: File name too long."),
        ("damaged", "damaged is no run and no sweep: it has no readable plan.json."),
        ("taken", "taken/report cannot be made: "),
    ],
)
def test_a_path_that_is_none_or_cannot_be_written_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    where: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("empty").mkdir()
    write_sweep(Path("damaged"), FACTORS, [0], score)
    Path("damaged/plan.json").write_text('{"task": "train", "cells": {"a"')
    write_sweep(Path("taken"), FACTORS, [0], score)
    Path("taken/report").touch()  # a file, in the folder's place
    assert command.main([where]) == 2
    captured = capsys.readouterr()
    assert said in captured.err and captured.err.count("\n") == 1 and captured.out == ""


def test_a_full_disk_is_one_line_and_the_next_report_is_whole(
    sweep: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as full:
        full.setattr("editmgt.report.write_atomic", _no_space)
        assert command.main([str(sweep)]) == 2
    assert capsys.readouterr().err == f"{sweep}/report cannot be made: No space left on device.\n"
    assert command.main([str(sweep)]) == 0 and (sweep / "report" / "report.md").is_file()


@pytest.mark.parametrize("config", ["model: tiny", "benchmark: 3", "benchmark: {}"])
def test_settings_that_are_none_fail_their_cell_alone(sweep: Path, config: str) -> None:
    broken, *_ = sorted(sweep.glob("*/config.yaml"))
    broken.write_text(config)
    states = [line.state for line in build(sweep, quiet())]
    assert states.count("failed") == (config != "benchmark: {}")
