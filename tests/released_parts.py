"""Directories as the released weights lie on the hub, with tiny random weights: real classes, keys and file names."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tiny_parts import (
    CODES,
    SENTENCES,
    build_codec,
    build_text_encoder,
    build_transformer,
)
from tokenizers.trainers import BpeTrainer
from transformers import Gemma2Config, Gemma2ForCausalLM, GemmaTokenizer

LLM_WIDTH, LLM_LENGTH = 40, 24
SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]


def gemma_tokenizer() -> GemmaTokenizer:
    """Train a real Gemma tokenizer on a few sentences; it pads on the left."""
    backend = GemmaTokenizer().backend_tokenizer
    backend.train_from_iterator(
        SENTENCES, BpeTrainer(vocab_size=200, special_tokens=SPECIAL, show_progress=False)
    )
    model = json.loads(backend.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    return GemmaTokenizer(
        vocab=model["vocab"], merges=merges, model_max_length=LLM_LENGTH, add_bos_token=True
    )


def write_llm(directory: Path) -> Gemma2ForCausalLM:
    """Gemma-2 as released: a causal LM with its tokenizer beside it."""
    tokenizer = gemma_tokenizer()
    config = Gemma2Config(
        vocab_size=len(tokenizer),
        hidden_size=LLM_WIDTH,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        query_pre_attn_scalar=16,
        sliding_window=8,
        max_position_embeddings=64,
    )
    model = Gemma2ForCausalLM(config).eval()
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return model


def write_released(directory: Path, kind: str) -> Path:
    """Write ``editmgt`` (1024, CLIP and Gemma-2), ``meissonic`` (1024) or ``monetico`` (512, no down-sampling)."""
    build_codec().save_pretrained(directory)
    build_text_encoder().save_pretrained(directory)
    scheduler = {"_class_name": "Scheduler", "_diffusers_version": "0.32.1", "mask_token_id": CODES + 7}
    (directory / "scheduler").mkdir()
    (directory / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    sampled = {"downsample": kind != "monetico", "upsample": kind != "monetico"}
    build_transformer(**sampled).save_pretrained(directory / "transformer")
    if kind == "editmgt":  # its own code reads editmgt/ and no index; transformer/ is the base's
        write_llm(directory / "llm_encoder")
        build_transformer(
            joint_attention_dim=LLM_WIDTH, connector_type="linear", text_encoder_architecture="CLIP_Gemma2"
        ).save_pretrained(directory / "editmgt")
    else:
        index = {"_class_name": "Pipeline", "transformer": ["transformer", "Transformer2DModel"]}
        (directory / "model_index.json").write_text(json.dumps(index))
    return directory


def shard(directory: Path, variant: str = "", last: bool = False) -> None:
    """Cut the one safetensors file of ``directory`` into two and an index, under the libraries' names.

    They have had two for a variant's shards: the variant before the number, or ``last``.
    """
    [path] = directory.glob("*.safetensors")
    stem, dotted = path.name.split(".")[0], f".{variant}" if variant else ""
    state = load_file(path)
    path.unlink()
    keys, weight_map = sorted(state), {}
    for number, part in enumerate((keys[::2], keys[1::2]), start=1):
        numbered = f"-0000{number}-of-00002"
        name = f"{stem}{numbered}{dotted}.safetensors" if last else f"{stem}{dotted}{numbered}.safetensors"
        save_file({key: state[key] for key in part}, directory / name, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(part, name)
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (directory / f"{stem}.safetensors.index{dotted}.json").write_text(json.dumps(index))


def halve(directory: Path, variant: str = "fp16", dtype: torch.dtype = torch.float16) -> None:
    """Rename the file of ``directory`` to a variant's name, in half precision."""
    [path] = directory.glob("*.safetensors")
    stem = path.name.split(".")[0]
    state = {
        key: value.to(dtype) if value.is_floating_point() else value for key, value in load_file(path).items()
    }
    path.unlink()
    save_file(state, directory / f"{stem}.{variant}.safetensors", metadata={"format": "pt"})


def copy(source: Path, destination: Path) -> Path:
    shutil.copytree(source, destination)
    return destination
