"""Devices that are not there are told in one line, wherever they are named."""

import pytest
import torch

from editmgt.devices import check_accelerator, check_strategy, find_device, resolve_devices
from editmgt.errors import UserError


def test_a_device_is_found_or_refused_by_name() -> None:
    assert find_device("device", "cpu") == torch.device("cpu")
    assert find_device("device", "auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("cuda:99", "gpu", "ipu", "xla", "vulkan", "meta"):
        with pytest.raises(UserError, match=rf"^device={name} is not available here\.$"):
            find_device("device", name)


def test_a_trainer_is_given_what_the_machine_has() -> None:
    check_accelerator("cpu", 8, "32-true")
    check_accelerator("auto", 1, "32-true")
    with pytest.raises(UserError, match=r"trainer\.accelerator=cuda trainer\.devices=99: this machine has"):
        check_accelerator("cuda", 99, "32-true")
    with pytest.raises(UserError, match=r"trainer\.devices=9999: at most \d+ processes train on"):
        check_accelerator("cpu", 9999, "32-true")


@pytest.mark.parametrize("accelerator", ["cpu", "auto"])
def test_half_precision_needs_a_gpu(accelerator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning would train in bfloat16 there, and the run's files say 16-mixed."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"^trainer\.precision=16-mixed needs a GPU: on a CPU .* bf16-mixed"):
        check_accelerator(accelerator, 1, "16-mixed")


def test_all_devices_are_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning would start the command once more for each other GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert [resolve_devices(kind, "auto") for kind in ("gpu", "auto", "cpu")] == [4, 4, 1]
    assert resolve_devices("gpu", 2) == 2


@pytest.mark.parametrize(
    ("strategy", "devices", "needs"),
    [
        ("fsdp", 2, "a CUDA GPU, where trainer.accelerator=cpu is the CPU here"),
        ("fsdp_cpu_offload", 1, "a CUDA GPU"),
        ("deepspeed_stage_2", 1, "the package deepspeed"),
        ("single_device", 2, "trainer.devices=1"),
    ],
)
def test_a_strategy_that_cannot_run_names_what_is_missing(strategy: str, devices: int, needs: str) -> None:
    with pytest.raises(UserError, match=rf"^trainer\.strategy={strategy} needs ") as caught:
        check_strategy("cpu", devices, strategy)
    assert needs in str(caught.value) and "\n" not in str(caught.value)


def test_strategies_that_run_on_a_cpu() -> None:
    for strategy, devices in (
        ("auto", 2),
        ("ddp", 2),
        ("ddp_find_unused_parameters_true", 2),
        ("single_device", 1),
    ):
        check_strategy("cpu", devices, strategy)
