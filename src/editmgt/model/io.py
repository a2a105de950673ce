"""A transformer's directory: ``config.json`` and its weights in safetensors, every key checked."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from editmgt.errors import UserError
from editmgt.files import read_object, write_json
from editmgt.finite import check_weights
from editmgt.weights import weight_files

CONFIG = "config.json"
STEM = "diffusion_pytorch_model"
WEIGHTS = f"{STEM}.safetensors"
SHOWN = 10  # keys listed per kind of mismatch


def read_config(directory: Path) -> dict[str, Any]:
    """Read ``config.json``."""
    if not directory.is_dir():
        raise UserError(f"there is no directory {directory}")
    if not (directory / CONFIG).is_file():
        raise UserError(f"{directory} holds no {CONFIG}, so it is not a transformer's directory")
    return read_object(directory / CONFIG)


def load_weights(model: nn.Module, directory: Path, variant: str = "") -> None:
    """Give ``model``, which may be on the meta device, the directory's weights as they are stored.

    One file or its shards, of ``variant`` where there is one.
    """
    state: dict[str, Tensor] = {}
    for path in weight_files(directory, STEM, variant):
        try:
            # copies, for the file's own bytes lie unaligned and their products can differ in the last bit
            state |= {key: value.clone() for key, value in load_file(path).items()}
        except SafetensorError as error:
            raise UserError(f"{path} is not a readable safetensors file: {error}") from None
    check(model.state_dict(), state, f"{directory} does not fit its {CONFIG}")
    check_weights(directory, state)
    model.load_state_dict(state, assign=True)


def start_from(model: nn.Module, state: dict[str, Tensor], wrong: str, fresh: tuple[str, ...]) -> list[str]:
    """Give ``model`` the weights of a model that differs in some parts; return the keys that start fresh.

    ``fresh`` are the beginnings of names that may be missing, left over or misshapen in ``state``; any other
    difference is a ``UserError`` that begins with ``wrong``.
    """
    own = model.state_dict()
    fits = {
        key: value
        for key, value in state.items()
        if not key.startswith(fresh) or (key in own and own[key].shape == value.shape)
    }
    new = [key for key in own if key.startswith(fresh) and key not in fits]
    check({key: value for key, value in own.items() if key not in new}, fits, wrong)
    model.load_state_dict(fits, strict=False)
    return new


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    """Whether two modules hold equal tensors under equal names."""
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


def check(expected: dict[str, Tensor], found: dict[str, Tensor], wrong: str) -> None:
    """Raise a ``UserError`` that begins with ``wrong`` and lists the first ten keys of each kind that differs."""
    if problems := mismatches(expected, found):
        raise UserError(f"{wrong}: " + "; ".join(problems))


def mismatches(expected: dict[str, Tensor], found: dict[str, Tensor]) -> list[str]:
    """Describe missing, unexpected and misshapen keys, the first ten of each."""
    shared = [key for key in expected if key in found]
    misshapen = [
        f"{key} {list(found[key].shape)} instead of {list(expected[key].shape)}"
        for key in shared
        if found[key].shape != expected[key].shape
    ]
    kinds = {
        "missing": [key for key in expected if key not in found],
        "unexpected": [key for key in found if key not in expected],
        "misshapen": misshapen,
    }
    return [f"{len(keys)} {kind}: {_first(keys)}" for kind, keys in kinds.items() if keys]


def save(model: nn.Module, config: dict[str, Any], directory: Path) -> None:
    """Write both files, each whole or not at all; adapters on the model (``model.lora``) are left out."""
    directory.mkdir(parents=True, exist_ok=True)
    state = {
        key.replace(".base_layer.", "."): value.detach().contiguous()
        for key, value in model.state_dict().items()
        if ".lora_" not in key
    }
    temporary = directory / f".{WEIGHTS}.{os.getpid()}"
    try:
        save_file(state, temporary, metadata={"format": "pt"})
        temporary.replace(directory / WEIGHTS)
    finally:
        temporary.unlink(missing_ok=True)
    write_json(directory / CONFIG, config)


def _first(keys: Iterable[str]) -> str:
    keys = list(keys)
    return ", ".join(keys[:SHOWN]) + (", ..." if len(keys) > SHOWN else "")
