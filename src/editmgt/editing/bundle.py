"""An editor's directory, in the layout of the released weights on the hub.

``vqvae/``, ``text_encoder/``, ``tokenizer/``, ``llm_encoder/`` where a language model reads the instruction,
``transformer/`` (or ``editmgt/``), ``adapter/`` where it is a LoRA's, ``scheduler/scheduler_config.json`` and
``model_index.json``, whose ``edit_settings`` are this project's own.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from editmgt.codec import Codec
from editmgt.editing.settings import SCHEDULES, EditSettings
from editmgt.errors import UserError, nearest
from editmgt.files import read_object, write_json
from editmgt.model import MGTransformer
from editmgt.text import LLM, TextEncoder
from editmgt.weights import TRANSFORMERS, find

INDEX = "model_index.json"
SCHEDULER = "scheduler/scheduler_config.json"
WRITTEN = "transformer"
ADAPTER = "adapter"

NOISE_LEVEL = "noise_level"  # a flow's
TIMESTEP_CONVENTIONS = ("step_index", "mask_ratio", NOISE_LEVEL)
FLOW_SCHEDULER = ["diffusers", "FlowMatchEulerDiscreteScheduler"]

COMPONENTS = {
    "vqvae": ["diffusers", "VQModel"],
    "text_encoder": ["transformers", "CLIPTextModelWithProjection"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "transformer": ["editmgt.model", "MGTransformer"],
    "scheduler": ["editmgt.editing", "Schedule"],
}


@dataclass(frozen=True)
class Bundle:
    """What an editor is made of."""

    codec: Codec
    text_encoder: TextEncoder
    transformer: MGTransformer
    settings: EditSettings
    timestep_convention: str


def check_parts(
    codec: Codec,
    text_encoder: TextEncoder,
    transformer: MGTransformer,
    timestep_convention: str = TIMESTEP_CONVENTIONS[0],
) -> None:
    """Raise a ``UserError`` for a transformer that was made for another codec or text encoder."""
    if timestep_convention not in TIMESTEP_CONVENTIONS:
        raise UserError(
            f"timestep_convention={timestep_convention} must be one of "
            f"{', '.join(TIMESTEP_CONVENTIONS)}.{nearest(timestep_convention, TIMESTEP_CONVENTIONS)}"
        )
    config = transformer.config
    if (timestep_convention == NOISE_LEVEL) != bool(config.latent_channels):
        raise UserError(
            f"timestep_convention={timestep_convention} goes with a transformer of "
            f"{'latents' if timestep_convention == NOISE_LEVEL else 'codes'}, and this one has "
            f"latent_channels={config.latent_channels}."
        )
    latents = codec.latent_channels if config.latent_channels else 0
    problems = [
        f"{what}: the transformer expects {expected}, the {part} gives {given}"
        for what, part, expected, given in (
            ("codebook size", "codec", config.codebook_size, codec.codebook_size),
            ("channels of a latent", "codec", config.latent_channels, latents),
            ("text width", "text encoder", config.joint_attention_dim, text_encoder.width),
            (
                "pooled text width",
                "text encoder",
                config.pooled_projection_dim,
                text_encoder.model.config.projection_dim,
            ),
        )
        if expected != given
    ]
    if problems:
        raise UserError("These parts do not belong together. " + "; ".join(problems) + ".")


def read(name: Path | str, dtype: torch.dtype = torch.float32, adapter: Path | str | None = None) -> Bundle:
    """Read every part of an editor; anything missing, broken or mismatched is a ``UserError``.

    Args:
        name: as :func:`editmgt.weights.find` takes it.
        dtype: of transformer and text encoder, whatever they are stored in; the codec is small and stays in
            float32, in which its codes are exact.
        adapter: directory of a LoRA to put on the transformer in the place of the editor's own.
    """
    directory, variant = find(name)
    scheduler = _read_object(directory, SCHEDULER)
    subfolder = next((folder for folder in TRANSFORMERS if (directory / folder).is_dir()), None)
    if subfolder is None:
        raise UserError(f"{directory} holds no transformer/ (or editmgt/) folder.")
    # The published code never reads an index, so its own repository may have none.
    bare = subfolder != WRITTEN and not (directory / INDEX).is_file()
    index = {} if bare else _read_object(directory, INDEX)
    # in the type it is wanted in before an adapter comes, which would else be rounded to what is stored
    transformer = MGTransformer.from_pretrained(directory, subfolder, variant).to(dtype)
    if adapter is None and (directory / ADAPTER).is_dir():
        adapter = directory / ADAPTER
    if adapter is not None:
        from editmgt.model.lora import load_adapters  # late: peft takes seconds to import

        load_adapters(transformer, adapter)

    mask_token_id = scheduler.get("mask_token_id", transformer.mask_token_id)
    if mask_token_id != transformer.mask_token_id:
        raise UserError(
            f"{directory / SCHEDULER} says mask_token_id={mask_token_id}, "
            f"but the transformer's mask is {transformer.mask_token_id}."
        )
    schedule = scheduler.get("masking_schedule", "cosine")
    if schedule not in SCHEDULES:
        raise UserError(
            f"{directory / SCHEDULER} says masking_schedule={schedule}, "
            f"which is not one of {', '.join(SCHEDULES)}.{nearest(schedule, SCHEDULES)}"
        )
    # released bases were trained at 512x512 without down-sampling and at 1024x1024 with it
    published = {"schedule": schedule, "resolution": 512 * transformer.cell_size}
    settings = EditSettings.from_dict(published | (index.get("edit_settings") or {}))
    return Bundle(
        Codec.from_pretrained(directory, variant=variant),
        TextEncoder.from_pretrained(directory, variant, dtype).requires_grad_(False),
        transformer,
        settings,
        # released weights do not say: they were sampled with step indices
        scheduler.get("timestep_convention", "step_index"),
    )


def write(bundle: Bundle, directory: Path | str) -> None:
    """Write an editor; ``model_index.json`` comes last, so that half a directory is not taken for one.

    Raises:
        UserError: for a directory whose parts would be read beside these or in their place, and a text encoder that was
            dropped.
    """
    directory, llm = Path(directory), bundle.text_encoder.llm
    own = {WRITTEN, ADAPTER if bundle.transformer.adapter else "", LLM if llm else ""}
    for name in (*TRANSFORMERS, ADAPTER, LLM):
        if name not in own and (directory / name).exists():
            raise UserError(
                f"{directory} holds {name}/ of another editor, which would be read with this one: name a new directory."
            )
    if bundle.text_encoder.model.device.type == "meta":
        raise UserError(
            "The text encoder was dropped after the first edit and cannot be saved: load the editor anew."
        )
    bundle.codec.save_pretrained(directory)
    bundle.text_encoder.save_pretrained(directory)
    bundle.transformer.save_pretrained(directory / WRITTEN)
    if bundle.transformer.adapter is not None:
        from editmgt.model.lora import save_adapters

        save_adapters(bundle.transformer, directory / ADAPTER)
    parts = COMPONENTS | ({} if llm is None else {LLM: ["transformers", type(llm.model).__name__]})
    scheduler = {
        "_class_name": "Scheduler",
        "mask_token_id": bundle.transformer.mask_token_id,
        "masking_schedule": bundle.settings.schedule,
    }
    if bundle.timestep_convention == NOISE_LEVEL:
        parts["scheduler"], scheduler = FLOW_SCHEDULER, {"_class_name": FLOW_SCHEDULER[-1]}
    write_json(directory / SCHEDULER, scheduler | {"timestep_convention": bundle.timestep_convention})
    write_json(
        directory / INDEX, {"_class_name": "Editor"} | parts | {"edit_settings": bundle.settings.to_dict()}
    )


def link(finished: Path, directory: Path, settings: EditSettings | None) -> None:
    """Make ``directory`` the editor ``finished`` with ``settings`` as its own: its parts are links, relative ones.

    Where they are its own already, or None, all of it is one link. What an earlier call made there is replaced.
    """
    index = _read_object(finished, INDEX) if (finished / INDEX).is_file() else {}
    own = index.get("edit_settings")
    wanted = own if settings is None else settings.to_dict()
    directory = directory.parent.resolve() / directory.name  # outputs may be a link to another disk
    finished = finished.resolve()
    temporary = directory.with_name(f".{directory.name}.{os.getpid()}")
    if wanted == own:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(os.path.relpath(finished, directory.parent))
    else:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        for part in finished.iterdir():
            if part.name != INDEX:
                (temporary / part.name).symlink_to(os.path.relpath(part, directory))
        write_json(temporary / INDEX, index | {"edit_settings": wanted})
    if directory.is_symlink():
        directory.unlink()
    elif directory.exists():
        shutil.rmtree(directory)
    temporary.rename(directory)


def _read_object(directory: Path, name: str) -> dict[str, Any]:
    if not (directory / name).is_file():
        below = (directory / "checkpoints" / "editor", directory / "editor")  # a run's, its checkpoints'
        meant = next((f" Did you mean '{place}'?" for place in below if (place / name).is_file()), "")
        raise UserError(f"{directory} is not an editor: it has no {name}.{meant}")
    return read_object(directory / name)
