"""The device that a user names."""

import os
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
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # torch's three ways of refusing
        raise UserError(f"{key}={name} is not available here.") from error
    return device


def check_accelerator(accelerator: str, devices: int | str) -> None:
    """Raise a ``UserError`` where this machine has not what ``trainer.accelerator`` and ``trainer.devices`` ask for."""
    cuda, mps = torch.cuda.device_count(), int(torch.backends.mps.is_available())
    found = {"cuda": cuda, "mps": mps, "gpu": cuda or mps, "auto": cuda or mps or None}.get(accelerator)
    wanted = 1 if devices == "auto" else int(devices)
    asked = f"trainer.accelerator={accelerator} trainer.devices={devices}"
    if found is not None and found < wanted:
        raise UserError(f"{asked}: this machine has {found} such; trainer=cpu trains without.")
    cores = os.cpu_count() or 1
    if found is None and wanted > max(cores, _PROCESSES):
        raise UserError(
            f"{asked}: at most {max(cores, _PROCESSES)} processes train on the {cores} CPU cores here."
        )


def check_strategy(accelerator: str, devices: int | str, strategy: str) -> None:
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


_PROCESSES = 8  # that a training may have on any CPU: what eight GPUs do can be tried out there
_NAMES = {"cpu": "the CPU", "cuda": "a CUDA GPU", "mps": "an Apple GPU"}


def _kind(accelerator: str) -> str:
    """The device that Lightning takes for ``trainer.accelerator``."""
    if accelerator in ("auto", "gpu"):
        if not torch.cuda.is_available() and torch.backends.mps.is_available():
            return "mps"
        return "cuda" if torch.cuda.is_available() or accelerator == "gpu" else "cpu"
    return accelerator
