"""Checkpoints to go on from, looked at before a training does."""

import pickle
from pathlib import Path

import torch
from lightning import LightningModule
from torch import Tensor

from editmgt.errors import UserError


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the weights in a training's checkpoint, left on the disk until they are used.

    Raises:
        UserError: for a file that is no whole checkpoint.
    """
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True, mmap=True)["state_dict"]
        return {str(name): tensor for name, tensor in weights.items()}
    except (
        OSError,
        RuntimeError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        pickle.UnpicklingError,
    ) as error:
        raise UserError(f"resume={path} cannot be read: it is no whole checkpoint of a training.") from error


def check_fits(path: Path, module: LightningModule) -> None:
    """Raise a ``UserError`` where the checkpoint is not one of a training of ``module``; what is frozen may be absent."""
    stored = {name: tuple(tensor.shape) for name, tensor in read_weights(path).items()}
    own = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    learns = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    wrong = [f"{name} {own[name]} is not there" for name in own if name in learns and name not in stored]
    wrong += [
        f"{name} {shape} should be {own.get(name, 'absent')}"
        for name, shape in stored.items()
        if own.get(name) != shape
    ]
    if wrong:
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise UserError(f"resume={path} is the checkpoint of another training: {wrong[0]}{more}.")
