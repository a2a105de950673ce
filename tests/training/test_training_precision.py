"""trainer.precision=auto: bfloat16 where the device computes it, asked of the hardware, settled before anything is named."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from small_training import HANGS

from editmgt import devices
from editmgt.stores.identity import training_directory
from editmgt.sweeps import command
from editmgt.sweeps.compose import Composition, compose_all
from editmgt.training import LAST

ROOT = Path(__file__).parent.parent.parent
SLOW = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
}  # how a CPU with bfloat16 plays one without
FLAGS = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
NATIVE = any(f" {flag} " in FLAGS for flag in ("avx512_bf16", "amx_bf16", "bf16"))
WAYS = [pytest.param({}, NATIVE, id="as the machine is")]
if any(f" {flag}" in FLAGS for flag in ("avx512", "amx")):  # else the machine is the slow one
    WAYS.append(pytest.param(SLOW, False, id="without bfloat16"))


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    devices.computes_bf16.cache_clear()
    yield
    devices.computes_bf16.cache_clear()


def call(directory: Path, way: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"} | way
    return subprocess.run(
        [sys.executable, ROOT / "train.py", *arguments],
        cwd=directory, env=environment, capture_output=True, text=True, timeout=HANGS, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(("way", "native"), WAYS)
def test_a_smoke_training_on_either_kind_of_cpu(tmp_path: Path, way: dict[str, str], native: bool) -> None:
    done = call(tmp_path, way, "debug=smoke", "logger=none")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    precision = "bf16-mixed" if native else "32-true"
    [line] = [line for line in done.stdout.splitlines() if "trainer.precision" in line]
    assert line.startswith(f"trainer.precision=auto is {precision} here: this CPU ")
    stored = [*tmp_path.glob("outputs/runs/*/config.yaml"), *tmp_path.glob("outputs/trainings/*/config.yaml")]
    assert len(stored) == 2
    assert {yaml.safe_load(path.read_text())["trainer"]["precision"] for path in stored} == {precision}


@pytest.mark.parametrize(("way", "native"), WAYS)
def test_bfloat16_that_is_asked_for_runs_with_a_warning_where_it_is_emulated(
    tmp_path: Path, way: dict[str, str], native: bool
) -> None:
    told = call(tmp_path, way, "-m", "seed=0,1", "plan=only", "trainer.precision=bf16-mixed")
    assert told.returncode == 0, told.stderr
    warnings = [line for line in told.stdout.splitlines() if line.startswith("Warning")]
    assert len(warnings) == (0 if native else 1)
    assert all("7 times" in line and "23 times" in line for line in warnings)
    assert not composed("trainer.precision=32-true").notes


def machine(
    monkeypatch: pytest.MonkeyPatch, *, cpu: bool = False, cuda: bool | None = None, mps: bool = False
) -> None:
    """Play a machine: whether its CPU and its GPU (None: there is none) compute bfloat16, and whether it is a Mac."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True, "amx_bf16": cpu})
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda is not None)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation: cuda or including_emulation
    )
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("accelerator", "parts", "precision", "reason"),
    [
        ("cpu", {"cpu": True}, "bf16-mixed", "this CPU computes bfloat16"),
        ("cpu", {"cuda": True}, "32-true", "this CPU has no instructions for bfloat16"),
        ("auto", {"cuda": True}, "bf16-mixed", "this Tesla computes bfloat16"),
        ("auto", {"cpu": True}, "bf16-mixed", "this CPU computes bfloat16"),
        ("gpu", {"cpu": True, "cuda": False}, "32-true", "this Tesla has no bfloat16"),
        ("cuda", {"cuda": True}, "bf16-mixed", "this Tesla computes bfloat16"),
        ("gpu", {}, "bf16-mixed", "there is no GPU here to ask"),
        ("gpu", {"mps": True}, "32-true", "this Apple GPU"),
        ("mps", {"mps": True}, "32-true", "this Apple GPU"),
    ],
)
def test_auto_by_device(
    monkeypatch: pytest.MonkeyPatch, accelerator: str, parts: dict[str, Any], precision: str, reason: str
) -> None:
    machine(monkeypatch, **parts)
    resolved, line = devices.resolve_precision(accelerator, "auto")
    assert resolved == precision and reason in line


def composed(*arguments: str) -> Composition:
    devices.computes_bf16.cache_clear()
    return compose_all(ROOT / "conf", "train", [*arguments], multirun=False)


def test_an_evaluation_in_bfloat16_is_warned_of_too(
    monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path
) -> None:
    arguments = [f"checkpoint='{tiny_bundle}'", "device=cpu"]
    for native, dtype, notes in ((True, "bfloat16", 0), (False, "bfloat16", 1), (False, "float32", 0)):
        machine(monkeypatch, cpu=native)
        devices.computes_bf16.cache_clear()
        found = compose_all(ROOT / "conf", "evaluate", [*arguments, f"dtype={dtype}"], multirun=False)
        assert len(found.notes) == notes and all("dtype=bfloat16 is slow" in note for note in found.notes)


def test_machines_of_two_kinds_do_not_take_each_others_trainings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    found = {}
    for native, precision in ((True, "bf16-mixed"), (False, "32-true")):
        machine(monkeypatch, cpu=native)
        found[precision] = training_directory(composed().cells[0].config, Path())
        named = composed(f"trainer.precision={precision}")
        assert training_directory(named.cells[0].config, Path()) == found[precision]
    assert len(set(found.values())) == 2
    begun = found["bf16-mixed"] / LAST
    begun.parent.mkdir(parents=True)
    torch.save({}, begun)
    assert command.main("train", lambda: None, ROOT / "conf", ["resume=auto"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "nothing to resume" in line
    assert f"{found['bf16-mixed']} holds this training in bf16-mixed: trainer.precision=bf16-mixed" in line
