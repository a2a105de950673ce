"""What a training starts from: shipped, released or given parts, or fresh ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from diffusers.models.autoencoders.vq_model import VQModel
from lightning.pytorch.utilities import rank_zero_only
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

from editmgt.codec import Codec
from editmgt.config.schema import Edits, Model, Train
from editmgt.data.scenes.vocabulary import scene_tokenizer
from editmgt.editing import bundle
from editmgt.errors import UserError
from editmgt.model import MGTransformer
from editmgt.model.io import same_weights, start_from
from editmgt.text import LanguageModel, TextEncoder
from editmgt.weights import TRANSFORMERS, find

# What may start fresh on a base's weights: an editor reads other text states than its base does,
FRESH = ("connector.",)
# and another paradigm reads and predicts something else than codes.
ENDS = ("embed.", "mlm_layer.")


def fresh_vqvae(config: dict[str, Any]) -> VQModel:
    """A codec with random weights; what ``model.vqvae`` says wrong is a ``UserError``."""
    with _described_by("model.vqvae"):
        return VQModel(**config)


def fresh_text_encoder(config: dict[str, Any]) -> TextEncoder:
    """A CLIP text tower with random weights and a tokenizer learnt from the scenes' grammar.

    What ``model.text_encoder`` says wrong is a ``UserError``.
    """
    with _described_by("model.text_encoder"):
        tokenizer: CLIPTokenizer = scene_tokenizer(config["max_position_embeddings"])
        special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
        clip = CLIPTextConfig(
            **config, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **special
        )
        return TextEncoder(CLIPTextModelWithProjection(clip), tokenizer)


def fresh_transformer(config: dict[str, Any], reference_mode: str, latent_channels: int = 0) -> MGTransformer:
    """A transformer with random weights; what ``model.transformer`` says wrong is a ``UserError``."""
    own = {"reference_mode": reference_mode, "latent_channels": latent_channels}
    arguments = {name: value for name, value in config.items() if name not in ("_target_", *own)}
    with _described_by("model.transformer"):
        return MGTransformer(**arguments, **own)


@contextmanager
def _described_by(key: str) -> Iterator[None]:
    """Turn whatever a library raises over sizes that do not go together into one line that names their key."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{key}: {error}") from error
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"{key} describes nothing that can be made: {reason}") from error


def starting_parts(init_from: str, model: Model) -> tuple[Codec, TextEncoder, MGTransformer]:
    """Codec, text encoder and transformer that a training of ``model`` begins with.

    ``init_from`` is an editor or base bundle, or a directory that holds only a codec (``vqvae/``): then the rest is
    made from ``model.text_encoder`` and ``model.transformer``. On a bundle, ``model.llm`` puts a language model
    beside its CLIP, and ``model.transformer`` may differ from the bundle's in what ``FRESH`` names.
    """
    directory, variant = find(init_from)
    if any((directory / folder).is_dir() for folder in TRANSFORMERS):
        start = bundle.read(init_from)
        codec, text = start.codec, start.text_encoder
        transformer, fresh = _as_configured(start.transformer, codec, init_from, model)
    else:
        codec = Codec.from_pretrained(directory, variant=variant)
        if model.transformer is None or model.text_encoder is None:
            raise UserError(
                f"init_from={init_from} holds a codec alone; model={model.name} says nothing of a "
                "fresh transformer and text encoder to train on it (model=tiny_base does)."
            )
        if not model.train_text_encoder:
            raise UserError(
                f"model.train_text_encoder=false: init_from={init_from} holds a codec alone, and the fresh text encoder would "
                "stay random. Set it to true, or start from weights that have a text encoder."
            )
        text = fresh_text_encoder(model.text_encoder)
        sizes = (model.transformer, reference_mode(model), latent_channels(model, codec))
        transformer, fresh = fresh_transformer(*sizes), ["the transformer"]
    if model.llm is not None:
        text.llm = LanguageModel.from_pretrained(*find(model.llm))
    bundle.check_parts(codec, text, transformer, timestep_convention(model))
    transformer.gradient_checkpointing = model.gradient_checkpointing
    if model.lora.rank:
        from editmgt.model import lora  # late: peft takes seconds to import

        if parts := dict.fromkeys(name.split(".")[0] for name in fresh):
            raise UserError(
                f"model.lora.rank={model.lora.rank}: adapters alone would learn, but not what starts fresh: {', '.join(parts)}. "
                "Train all weights first (model.lora.rank=0), or start from weights that have it."
            )
        lora.add(transformer, model.lora.rank, model.lora.alpha, model.lora.stream, model.lora.targets)
    return codec, text, transformer


def teacher_parts(
    name: str, codec: Codec, text: TextEncoder, text_learns: bool, texts_encoded: bool
) -> tuple[MGTransformer, TextEncoder, str]:
    """Transformer, text encoder and ``reference_attends`` of the editor ``name``, in float32.

    An equal text encoder that stays frozen (not ``text_learns``) serves both. A ``UserError`` where codes, token ids, states of
    texts (where batches hold those: ``texts_encoded``) or time steps mean something else to it than to what it teaches.
    """
    teacher = bundle.read(name)
    if teacher.timestep_convention != "mask_ratio":
        raise UserError(
            f"model.teacher={name} was trained with {teacher.timestep_convention} for time steps; here a training asks with mask_ratio."
        )
    if not same_weights(codec, teacher.codec):
        raise UserError(
            f"model.teacher={name} has another codec than init_from: its codes mean something else."
        )
    if teacher.text_encoder.vocabularies != text.vocabularies:
        raise UserError(
            f"model.teacher={name} has another tokenizer than init_from: it reads other token ids."
        )
    shared = not text_learns and same_weights(text, teacher.text_encoder)
    if texts_encoded and not shared:
        raise UserError(
            f"model.teacher={name} has another text encoder than init_from, and data.token_cache holds the states that init_from's "
            "made of the texts: train without data.token_cache."
        )
    reader = text if shared else teacher.text_encoder.float()
    return teacher.transformer.float(), reader, teacher.settings.reference_attends


def texts_encoded(config: Train) -> bool:
    """Whether the batches of a training hold the states of texts, which a token cache keeps of a frozen text encoder."""
    cached = isinstance(config.data, Edits) and config.data.token_cache is not None
    return cached and not config.model.train_text_encoder


def reference_mode(model: Model) -> str:
    """How the source reaches the transformer, from the switches."""
    return "attention" if model.attention_injection else model.injection_fallback


def timestep_convention(model: Model) -> str:
    """What the transformer is told of a step, in training and in edits."""
    return bundle.NOISE_LEVEL if model.paradigm == "flow" else "mask_ratio"


def latent_channels(model: Model, codec: Codec) -> int:
    """Channels of what the transformer reads and predicts in the place of codes; 0: codes."""
    return codec.latent_channels if model.paradigm == "flow" else 0


def _as_configured(
    transformer: MGTransformer, codec: Codec, init_from: str, model: Model
) -> tuple[MGTransformer, list[str]]:
    """Return the transformer that ``model`` describes with the weights of this one, and what starts fresh, which is said."""
    mode, had = reference_mode(model), {*transformer.state_dict()}
    transformer.set_reference_mode(mode)
    fresh = [name for name in transformer.state_dict() if name not in had]
    if transformer.adapter is not None:
        from editmgt.model import lora

        lora.merge(transformer)
    origin = f"init_from={init_from}"
    channels = latent_channels(model, codec)
    other = channels != transformer.config.latent_channels
    if other or model.transformer is not None:
        own, sizes = transformer, model.transformer or asdict(transformer.config)
        transformer = fresh_transformer(sizes, mode, channels)
        may_be_fresh = FRESH + (ENDS if other else ())
        fresh += start_from(
            transformer, own.state_dict(), f"{origin} does not fit model={model.name}", may_be_fresh
        )
    if fresh:
        rank_zero_only(print)(f"Starting fresh: {', '.join(fresh)}; all else is that of {origin}.")
    return transformer, fresh
