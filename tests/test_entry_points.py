"""Mistakes on the real command lines: a clear line for each, status 2, no traceback, nothing created."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
Script = Callable[..., "subprocess.CompletedProcess[str]"]


def call(directory: Path, script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return ran(directory, str(ROOT / script), *arguments)


def ran(directory: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """What Python made of these arguments, in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=directory, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("script", "arguments", "lines"),
    [
        (
            "train.py",
            ["model=tny", "model.regionhold=true", "sampler.steps=0", "model.region_hold=maybe"],
            [
                "Did you mean 'tiny'?",
                "Unknown key 'model.regionhold'. Did you mean 'model.region_hold'?",
                "model.region_hold=maybe must be true or false.",
                "sampler.steps=0 must be at least 1.",
            ],
        ),
        (
            "train.py",
            ["-m", "init_from=some/hub", "model.region_hold=true,maybe"],
            ["model.region_hold=maybe must be"],
        ),
        ("train.py", ["model.region_hold=true,false"], ["add -m"]),
        ("train.py", ["seed=[1"], ["Cannot read 'seed=[1'"]),
        ("train.py", ["seed"], ["Write seed=VALUE"]),
        ("train.py", ["--fast"], ["key=value"]),
        (
            "train.py",
            ["resume=nowhere.ckpt", "init_from=nobody"],
            ["resume=nowhere.ckpt", "init_from=nobody"],
        ),
        ("train.py", ["checkpoint=tiny_editor"], ["Unknown key 'checkpoint'. It is a key of evaluate."]),
        ("train.py", ["debug=null"], ["debug=null must be one of few, smoke."]),
        ("train.py", ["seed=1", "-m", "seed=2"], ["flags such as -m come first"]),
        (
            "evaluate.py",
            ["checkpoint=tiny_editor", "debug=smoke"],
            ["debug=smoke sets data, trainer, which evaluate.py does not have. Made for it: few."],
        ),
        (
            "evaluate.py",
            ["checkpoint=tiny_editor", "experiment=tiny_base"],
            [
                "experiment=tiny_base cannot be a part of evaluate.py: In 'experiment/tiny_base': Could not override"
            ],
        ),
        (
            "train.py",
            ["experiment=localization_layers"],
            ["experiment=localization_layers sets localization_layers, which train.py does not have."],
        ),
        ("evaluate.py", ["checkpoint=nobody"], ["checkpoint=nobody: there is no such directory"]),
        ("evaluate.py", ["checkpoint=."], ["of another architecture or incomplete"]),
    ],
)
def test_mistakes(tmp_path: Path, script: str, arguments: list[str], lines: list[str]) -> None:
    result = call(tmp_path, script, *arguments)
    assert result.returncode == 2, result.stderr
    assert result.stdout == "" and "Traceback" not in result.stderr
    found = result.stderr.splitlines()
    assert len(found) == len(lines), result.stderr
    for line in lines:
        assert any(line in text for text in found), result.stderr
    assert list(tmp_path.iterdir()) == []


def test_resume_auto_with_nothing_to_resume_and_a_directory_in_use(
    script: Script, tmp_path: Path, tiny_bundle: Path
) -> None:
    base = [f"init_from='{tiny_bundle}'", "model.localization.layers=[1,2]"]
    result = script("train.py", *base, "resume=auto")
    assert result.returncode == 2 and "nothing to resume" in result.stderr
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "status.json").write_text("{}")
    result = script("train.py", *base, "hydra.run.dir=mine")
    assert result.returncode == 2 and "hydra.run.dir=mine holds another run" in result.stderr


def test_what_a_training_starts_from_is_opened_before_it_starts(
    script: Script, tmp_path: Path, tiny_bundle: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_bundle, broken)
    [weights] = (broken / "transformer").glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:1000])
    (tmp_path / "junk.ckpt").write_text("no checkpoint")
    layers = "model.localization.layers=[1,2]"
    for arguments, said in (
        ([f"init_from='{broken}'"], f"init_from={broken}"),
        (
            ["-m", f"init_from='{broken}','{tiny_bundle}'", "model.region_hold=true,false"],
            f"init_from={broken}",
        ),
        ([f"init_from='{tiny_bundle}'", "resume=junk.ckpt"], "resume=junk.ckpt cannot be read"),
    ):
        result = script("train.py", *arguments, layers)
        assert result.returncode == 2 and result.stdout == "", result.stderr
        [line] = result.stderr.splitlines()
        assert line.startswith(said)
        assert not (tmp_path / "outputs").exists()


def test_callbacks_are_added_by_any_name(script: Script) -> None:
    """As the comment in conf/callbacks says."""
    comment = (ROOT / "conf" / "callbacks" / "default.yaml").read_text()
    [argument] = re.findall(r"\+callbacks\S+", comment)
    result = script("train.py", "-m", argument, "seed=0,1", "plan=only")
    assert result.returncode == 0 and "2 trainings" in result.stdout, result.stderr


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("train.py", ["--help"]),
        ("train.py", ["seed=x", "sampler.steps=0"]),
        ("evaluate.py", ["checkpoint=tiny_editor", "benchmark.size=x"]),
        ("edit.py", ["--steps", "x"]),
    ],
)
def test_a_mistake_is_told_before_anything_slow_is_imported(
    script: str, arguments: list[str], tmp_path: Path
) -> None:
    """torch takes seconds to import."""
    program = (
        "import atexit, runpy, sys\n"
        "atexit.register(lambda: print('TORCH' if 'torch' in sys.modules else 'LIGHT'))\n"
        f"runpy.run_path({str(ROOT / script)!r}, run_name='__main__')\n"
    )
    result = ran(tmp_path, "-c", program, *arguments)
    assert result.stdout.splitlines()[-1] == "LIGHT", result.stderr


@pytest.mark.parametrize(
    ("script", "arguments", "library"),
    [
        ("train.py", ["debug=smoke"], "hydra"),
        ("evaluate.py", ["checkpoint=tiny_editor"], "torch"),
        ("edit.py", ["photo.png", "make it blue", "--output", "out.png"], "torch"),
    ],
)
def test_an_interrupt_while_libraries_are_imported_is_one_line(
    script: str, arguments: list[str], library: str, tmp_path: Path
) -> None:
    program = (
        "import os, runpy, signal, sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == {library!r}:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # the tests may run where it is ignored\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        f"runpy.run_path({str(ROOT / script)!r}, run_name='__main__')\n"
    )
    result = ran(tmp_path, "-c", program, *arguments)
    assert (result.returncode, result.stderr) == (130, "\nInterrupted: nothing had started.\n")
    assert list(tmp_path.iterdir()) == []


def test_help_and_cfg_still_work(tmp_path: Path, tiny_bundle: Path) -> None:
    shown = call(tmp_path, "evaluate.py", f"checkpoint='{tiny_bundle}'", "--cfg", "job")
    assert shown.returncode == 0 and "region_hold: null" in shown.stdout
    told = call(tmp_path, "train.py", "--help")
    assert told.returncode == 0 and told.stdout.startswith(
        "python train.py [-m] key=value ...: train an editor"
    )
    assert all(part in told.stdout for part in ("\nmodel: editmgt_1024, ", "region_hold: true", "plan=only"))
    assert list(tmp_path.iterdir()) == []


def test_the_console_script_becomes_the_command(tmp_path: Path) -> None:
    """The same line and status as the script's own; the name comes from pyproject.toml."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts["editmgt"].partition(":")
    start = ["-c", f"import sys; from {module} import {function}; sys.exit({function}())"]

    def editmgt(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return ran(tmp_path, *start, *arguments)

    for name, script in (("train", "train.py"), ("evaluate", "evaluate.py")):
        own, through = call(tmp_path, script, "seed=x"), editmgt(name, "seed=x")
        assert (through.returncode, through.stderr) == (own.returncode, own.stderr) and own.returncode == 2
    assert editmgt("report").stderr.startswith("usage: python -m editmgt.report DIRECTORY")
    assert "Traceback" not in editmgt("prepare", "seed=x").stderr
    assert editmgt("edit", "--help").returncode == 0
    for wrong in ([], ["trian"]):
        result = editmgt(*wrong)
        assert result.returncode == 2 and result.stderr.startswith(
            "usage: editmgt train|evaluate|edit|prepare|report|demo"
        )
    assert "Did you mean 'train'?" in result.stderr
