"""The device that a user names."""

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
    found = {"cuda": cuda, "mps": mps, "gpu": cuda or mps}.get(accelerator)
    if found is not None and found < (1 if devices == "auto" else int(devices)):
        raise UserError(
            f"trainer.accelerator={accelerator} trainer.devices={devices}: this machine has {found} such; "
            "trainer=cpu trains without."
        )
