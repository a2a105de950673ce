"""A cell's edit settings and fingerprints, and the directories of the trainings and edits that it shares by them."""

import os
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from editmgt import assets
from editmgt.config import edit_values
from editmgt.config.schema import Config, Evaluate, Train
from editmgt.stores.fingerprint import digest, protocol, training_fingerprint, weights_digest
from editmgt.stores.trainings import state

if TYPE_CHECKING:
    from editmgt.editing import Editor, EditSettings

TRAININGS, EDITS = Path("outputs/trainings"), Path("outputs/edits")


def edit_settings(config: Config, editor: "Editor | None" = None) -> "EditSettings":
    """Return the settings of a cell's edits; what ``evaluate.py`` leaves null is the editor's own."""
    from editmgt.editing import EditSettings

    if isinstance(config, Train):
        return EditSettings().override(**edit_values(config))
    return _override(EditSettings() if editor is None else editor.settings, config)


def _override(start: "EditSettings", config: Config) -> "EditSettings":
    values = edit_values(config)
    return start.override(**{name: value for name, value in values.items() if value is not None})


def identify(config: Config) -> dict[str, str | None]:
    """Return the fingerprints of a cell's training and protocol."""
    if isinstance(config, Evaluate):
        training = weights_digest(config.checkpoint)
    else:
        training = training_fingerprint(config)
    return {"training_fingerprint": training, "protocol_fingerprint": digest(protocol_of(config))}


def protocol_of(config: Config) -> dict[str, Any]:
    """Return :func:`protocol` of a cell."""
    return protocol(config, cell_settings(config).to_dict())


def cell_settings(config: Config) -> "EditSettings":
    """Return :func:`edit_settings` of a cell, its checkpoint's own ones among them."""
    if isinstance(config, Train):
        return edit_settings(config)
    return _override(_finished_with(config.checkpoint, *_loading(config)), config)


@cache
def _finished_with(checkpoint: str, dtype: str, text_encoder_afterwards: str) -> "EditSettings":
    return _load_editor(checkpoint, dtype, text_encoder_afterwards).settings


def training_directory(config: Train, owner: Path) -> Path:
    """Return where a training lives: shared by fingerprint, or with ``reuse=false`` in its ``owner``, the run or sweep."""
    return (TRAININGS if config.reuse else owner / TRAININGS.name) / training_fingerprint(config)


def in_another_precision(config: Train, owner: Path) -> str:
    """Say where a training lies that differs in its precision alone, as ``auto`` makes on a machine of another kind."""
    for precision in ("bf16-mixed", "32-true"):
        trainer = config.trainer.model_copy(update={"precision": precision})
        other = config.model_copy(update={"trainer": trainer})
        directory = training_directory(other, owner)
        if precision != config.trainer.precision and state(directory) in ("finished", "unfinished"):
            return f"{directory} holds this training in {precision}: trainer.precision={precision} goes on with it"
    return ""


def edits_directory(
    weights: str, editor: "Editor", settings: "EditSettings", config: Config, owner: Path
) -> Path:
    """Return where a benchmark's edits live: shared by fingerprint, or with ``reuse=false`` in their ``owner``.

    One process at a time has a directory; of two benchmarks neither waits for the other. ``weights`` is the name or the
    directory that ``editor`` was loaded from.
    """
    from editmgt.stores.stored_edits import edits_fingerprint

    seed, device, dtype = config.edit_seed, editor.device.type, str(editor.transformer.dtype)
    fingerprint = edits_fingerprint(weights_digest(weights), settings, seed, device, dtype)
    return (EDITS if config.reuse else owner / EDITS.name) / f"{config.benchmark.name}-{fingerprint}"


def load_editor(config: Config, weights: str) -> "Editor":
    """Return the editor at ``weights`` in the precision of a cell, wherever it was last moved to.

    The last ones are kept: cells of a sweep, and what their table shows beside them, mostly share theirs.
    """
    linked = Path(weights).exists() and weights not in assets.names()  # cells link to weights they share
    name = os.path.realpath(weights) if linked else weights
    return _load_editor(name, *_loading(config))


def ready_editor(config: Config, weights: str) -> "Editor":
    """Return :func:`load_editor` on the cell's device; a ``UserError`` where this machine has none such."""
    from editmgt.devices import find_device  # late: it imports torch

    if isinstance(config, Evaluate):
        wanted = find_device("device", config.device)
    else:
        wanted = find_device("device", "cpu" if config.trainer.accelerator == "cpu" else "auto")
    return load_editor(config, weights).to(wanted)


def _loading(config: Config) -> tuple[str, str]:
    """The dtype, and what happens to the text encoder: a training's editor is as it was trained."""
    if isinstance(config, Evaluate):
        return config.dtype, config.text_encoder_afterwards
    return "float32", "keep"


@lru_cache(maxsize=2)
def _load_editor(name: str, dtype: str, text_encoder_afterwards: str) -> "Editor":
    import torch

    from editmgt.editing import Editor

    return Editor.from_pretrained(
        name, dtype=getattr(torch, dtype), text_encoder_afterwards=text_encoder_afterwards
    )
