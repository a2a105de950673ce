"""A directory is read whole or refused in one line."""

import json
from pathlib import Path

import pytest
import torch
from model_parts import CONFIG, small_model
from safetensors.torch import load_file, save_file

from editmgt.errors import UserError
from editmgt.model import MGTransformer

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    small_model().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def change_config(directory: Path, **changes: object) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_files_are_the_published_ones(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == ["config.json", WEIGHTS]
    config = json.loads((saved / "config.json").read_text())
    assert config["_class_name"] == "Transformer2DModel"
    assert config["axes_dims_rope"] == [4, 4, 4]
    assert "reference_mode" not in config  # the published way needs no word


def test_diffusers_own_keys_are_tolerated(saved: Path) -> None:
    change_config(saved, _diffusers_version="0.32.1", _name_or_path="somewhere")
    assert MGTransformer.from_pretrained(saved).config.num_layers == 1


def test_unknown_config_key(saved: Path) -> None:
    change_config(saved, num_layer=3)
    with pytest.raises(UserError, match=r"'num_layer' is unknown. Did you mean 'num_layers'\?"):
        MGTransformer.from_pretrained(saved)


def test_missing_unexpected_and_misshapen_keys_in_one_message(saved: Path) -> None:
    state = load_file(saved / WEIGHTS)
    state["stranger"] = torch.zeros(1)
    del state["context_embedder.bias"]
    state["embed.conv.weight"] = torch.zeros(2, 3)
    save_file(state, saved / WEIGHTS)
    with pytest.raises(UserError) as caught:
        MGTransformer.from_pretrained(saved)
    message = str(caught.value)
    assert "1 missing: context_embedder.bias" in message
    assert "1 unexpected: stranger" in message
    assert "1 misshapen: embed.conv.weight [2, 3] instead of [24, 24, 1, 1]" in message
    assert "\n" not in message


def test_long_lists_are_cut(saved: Path) -> None:
    change_config(saved, num_single_layers=1)
    with pytest.raises(UserError) as caught:
        MGTransformer.from_pretrained(saved)
    assert str(caught.value).count("single_transformer_blocks.1.") == 10
    assert str(caught.value).endswith(", ...")


def test_missing_directory_and_files(saved: Path) -> None:
    with pytest.raises(UserError, match="there is no directory"):
        MGTransformer.from_pretrained(saved, subfolder="transformer")
    (saved / WEIGHTS).unlink()
    with pytest.raises(UserError, match=f"holds no {WEIGHTS}"):
        MGTransformer.from_pretrained(saved)


@pytest.mark.parametrize(("name", "words"), [(WEIGHTS, "safetensors file"), ("config.json", "read as JSON")])
def test_corrupt_files(saved: Path, name: str, words: str) -> None:
    (saved / name).write_bytes(b"\x00\x01 half a file")
    with pytest.raises(UserError, match=words):
        MGTransformer.from_pretrained(saved)


def test_loading_keeps_the_stored_type(saved: Path) -> None:
    small_model().bfloat16().save_pretrained(saved)
    assert MGTransformer.from_pretrained(saved).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"axes_dims_rope": [4, 4, 8]}, "add up to attention_head_dim=12"),
        ({"axes_dims_rope": [3, 4, 5]}, "three even numbers"),
        ({"axes_dims_rope": ["4", 4, 4]}, "three even numbers"),
        ({"axes_dims_rope": None}, "axes_dims_rope=None must be of type tuple"),
        ({"num_layers": "1"}, "num_layers='1' must be of type int"),
        (
            {"attention_head_dim": 12.0, "downsample": 1},
            "attention_head_dim=12.0 .*; downsample=1 must be of type bool",
        ),
        ({"vocab_size": 16}, "must exceed codebook_size=16"),
        ({"upsample": False}, "must agree"),
        ({"connector_type": "lineal"}, "Did you mean 'linear'"),
        ({"reference_mode": "inputs"}, "Did you mean 'input'"),
        ({"connector_type": "none"}, "joint_attention_dim=10 needs a connector_type"),
        ({"guidance_embeds": True}, "not supported"),
        ({"num_single_layers": 0}, "num_single_layers=0"),
        ({"connector_type": "qformer", "num_attention_heads": 1}, "8 heads"),
    ],
)
def test_contradictory_settings(changes: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        MGTransformer(**{**CONFIG, **changes})


def test_all_contradictions_come_at_once() -> None:
    with pytest.raises(UserError, match=r"vocab_size=3 .*; .*upsample=False"):
        MGTransformer(**{**CONFIG, "vocab_size": 3, "upsample": False})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_that_are_not_finite_are_named(saved: Path, value: float, dtype: torch.dtype) -> None:
    state = {key: tensor.to(dtype) for key, tensor in load_file(saved / WEIGHTS).items()}
    state["context_embedder.bias"][1] = value
    save_file(state, saved / WEIGHTS)
    with pytest.raises(
        UserError, match=r"not finite \(NaN or infinite\), in context_embedder.bias:"
    ) as caught:
        MGTransformer.from_pretrained(saved)
    assert str(saved) in str(caught.value) and "\n" not in str(caught.value)
