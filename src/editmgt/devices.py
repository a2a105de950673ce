"""The device that a user names, and what it computes in."""

import os
from functools import cache
from importlib.util import find_spec

import torch

from editmgt.errors import UserError


def find_device(key: str, name: str) -> torch.device:
    """Return the device called ``name``; ``auto`` is the GPU where there is one, and the CPU elsewhere.

    Args:
        key: the setting that names it, for the message.
        name: ``auto``, or what PyTorch calls a device: ``cpu``, ``cuda``, ``cuda:1`` ...

    Raises:
        UserError: this machine has no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # read back: "meta" has shapes alone
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # torch's three ways of refusing
        raise UserError(f"{key}={name} is not available here.") from error
    return device


def resolve_devices(accelerator: str, devices: int | str) -> int:
    """Return ``trainer.devices`` as a number; ``auto`` is all GPUs that are seen here, or one process without any."""
    if devices != "auto":
        return int(devices)
    return max(1, torch.cuda.device_count()) if _kind(accelerator) == "cuda" else 1


def check_accelerator(accelerator: str, devices: int, precision: str) -> None:
    """Raise a ``UserError`` where this machine has not what ``trainer.accelerator``, ``.devices`` and ``.precision`` ask for."""
    cuda, mps = torch.cuda.device_count(), int(torch.backends.mps.is_available())
    found = {"cuda": cuda, "mps": mps, "gpu": cuda or mps, "auto": cuda or mps or None}.get(accelerator)
    asked = f"trainer.accelerator={accelerator} trainer.devices={devices}"
    if found is not None and found < devices:
        raise UserError(f"{asked}: this machine has {found or 'none'} of them; trainer=cpu trains without.")
    cores = os.cpu_count() or 1
    if found is None and devices > max(cores, _PROCESSES):
        raise UserError(
            f"{asked}: at most {max(cores, _PROCESSES)} processes train on the {cores} CPU cores here."
        )
    if precision == "16-mixed" and _kind(accelerator) == "cpu":
        raise UserError(
            "trainer.precision=16-mixed needs a GPU: on a CPU Lightning would take bf16-mixed in its place. "
            "trainer.precision=auto takes what the CPU computes."
        )


def check_strategy(accelerator: str, devices: int, strategy: str) -> None:
    """Raise a ``UserError`` where ``trainer.strategy`` cannot run on what this machine has, and name what is missing."""
    kind = _kind(accelerator)
    lacking = []
    if strategy.startswith("deepspeed") and find_spec("deepspeed") is None:
        lacking.append("the package deepspeed, which is not installed (pip install deepspeed)")
    if strategy.startswith(("deepspeed", "fsdp")) and kind != "cuda":
        lacking.append(f"a CUDA GPU, where trainer.accelerator={accelerator} is {_NAMES[kind]} here")
    if strategy.startswith("ddp") and kind == "mps":
        lacking.append("a CPU or CUDA GPUs: several processes cannot share an Apple GPU")
    if strategy == "single_device" and (devices != 1 or kind != "cpu"):
        lacking.append("trainer.devices=1 on a CPU: Lightning would leave every GPU unused")
    if lacking:
        raise UserError(
            f"trainer.strategy={strategy} needs {', and '.join(lacking)}. trainer.strategy=auto runs here."
        )


def resolve_precision(accelerator: str, precision: str) -> tuple[str, str]:
    """Return what ``trainer.precision`` comes to on this machine, and a line that says why where there is something to say.

    ``auto`` is ``bf16-mixed`` where the device computes bfloat16 and ``32-true`` where it would emulate it. What is named
    stays, with a warning where it is emulated.

    Args:
        accelerator: ``trainer.accelerator``.
        precision: ``trainer.precision``.
    """
    if precision == "auto":
        computes, why = computes_bf16(accelerator)
        resolved = "bf16-mixed" if computes else "32-true"
        return resolved, f"trainer.precision=auto is {resolved} here: {why}."
    asked = precision.startswith("bf16")
    return precision, emulation_warning(f"trainer.precision={precision}", accelerator) if asked else ""


def emulation_warning(setting: str, accelerator: str) -> str:
    """Return a line that says what a ``setting`` of bfloat16 costs where the device emulates it; else an empty one."""
    computes, why = computes_bf16(accelerator)
    if computes:
        return ""
    return (
        f"Warning: {setting} is slow here: {why}. On a CPU without, a linear layer takes 7 times as long as in float32, its "
        "gradient 23 times."
    )


@cache
def computes_bf16(accelerator: str) -> tuple[bool, str]:
    """Return whether the device that ``accelerator`` names computes bfloat16 rather than emulate it, and why.

    A GPU that is not here cannot be asked, and counts as one that does.
    """
    kind = _kind(accelerator)
    if kind == "mps":
        return False, "PyTorch cannot tell whether this Apple GPU computes bfloat16"
    if kind == "cpu":
        # oneDNN counts AVX512 alone too, which emulates; the list does not know limits such as ONEDNN_MAX_CPU_ISA
        may = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
        found = torch.cpu.get_capabilities()
        if may and any(found.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")):
            return True, "this CPU computes bfloat16"
        return False, "this CPU has no instructions for bfloat16 (AVX512-BF16 or AMX)"
    if not torch.cuda.is_available():
        return True, "there is no GPU here to ask"
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return True, f"this {torch.cuda.get_device_name()} computes bfloat16"
    return False, f"this {torch.cuda.get_device_name()} has no bfloat16 (compute capability 8 and later)"


_PROCESSES = 8  # that a training may have on any CPU: what eight GPUs do can be tried out there
_NAMES = {"cpu": "the CPU", "cuda": "a CUDA GPU", "mps": "an Apple GPU"}


def _kind(accelerator: str) -> str:
    """The device that Lightning takes for ``trainer.accelerator``."""
    if accelerator in ("auto", "gpu"):
        if not torch.cuda.is_available() and torch.backends.mps.is_available():
            return "mps"
        return "cuda" if torch.cuda.is_available() or accelerator == "gpu" else "cpu"
    return accelerator
