"""What a training starts from: shipped or given parts, or fresh ones."""

from typing import Any

from diffusers.models.autoencoders.vq_model import VQModel
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

from editmgt.codec import Codec
from editmgt.data.scenes.vocabulary import scene_tokenizer
from editmgt.editing import bundle
from editmgt.errors import UserError
from editmgt.model import MGTransformer
from editmgt.text import TextEncoder


def fresh_vqvae(config: dict[str, Any]) -> VQModel:
    """A codec with random weights."""
    return VQModel(**config)


def fresh_text_encoder(config: dict[str, Any]) -> TextEncoder:
    """A CLIP text tower with random weights and a tokenizer learnt from the scenes' grammar."""
    tokenizer: CLIPTokenizer = scene_tokenizer(config["max_position_embeddings"])
    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    clip = CLIPTextConfig(**config, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **special)
    return TextEncoder(CLIPTextModelWithProjection(clip), tokenizer)


def starting_parts(config: dict[str, Any]) -> tuple[Codec, TextEncoder, MGTransformer]:
    """Codec, text encoder and transformer that a training of ``config`` begins with.

    ``init_from`` is an editor or base bundle, or a directory that holds only a codec (``vqvae/``): then the rest is
    made from ``model.text_encoder`` and ``model.transformer``.
    """
    model = config["model"]
    mode = reference_mode(model)
    directory = bundle.find(config["init_from"])
    if (directory / bundle.INDEX).is_file():
        start = bundle.read(directory)
        start.transformer.set_reference_mode(mode)
        return start.codec, start.text_encoder, start.transformer
    codec = Codec.from_pretrained(directory)
    if model["transformer"] is None or model["text_encoder"] is None:
        raise UserError(
            f"init_from={config['init_from']} holds a codec alone; model={model['name']} says nothing of a "
            "fresh transformer and text encoder to train on it (model=tiny_base does)."
        )
    text = fresh_text_encoder(model["text_encoder"])
    arguments = {name: value for name, value in model["transformer"].items() if name != "_target_"}
    return codec, text, MGTransformer(**arguments, reference_mode=mode)


def reference_mode(model: dict[str, Any]) -> str:
    """How the source reaches the transformer, from the switches."""
    return "attention" if model["attention_injection"] else str(model["injection_fallback"])
