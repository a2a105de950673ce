"""Trainings of a codec, from nothing and of a finished one's decoder, a few steps long."""

from pathlib import Path
from typing import Any

import pytest
import torch
from small_training import configuration, stop_after, train

from editmgt.codec import Codec, fold
from editmgt.config.schema import Train
from editmgt.data.scenes import SceneDataset
from editmgt.training import run as training_run


def fresh_codec(tiny_bundle: Path, cache: Path) -> dict[str, Any]:
    """The training of a small codec from nothing."""
    config = configuration(tiny_bundle, cache)
    config["init_from"] = None
    config["model"] |= {
        "kind": "codec",
        "continuous_steps": 1,
        "vqvae": {
            "in_channels": 48,
            "out_channels": 48,
            "down_block_types": ["DownEncoderBlock2D"],
            "up_block_types": ["UpDecoderBlock2D"],
            "block_out_channels": [8],
            "latent_channels": 4,
            "vq_embed_dim": 4,
            "num_vq_embeddings": 16,
            "norm_num_groups": 1,
            "mid_block_add_attention": False,
            "lookup_from_codebook": True,
        },
    }
    return config


def test_an_interrupted_codec_draws_the_codes_that_the_uninterrupted_would(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    config = fresh_codec(tiny_bundle, tmp_path / "cache")
    config["trainer"] |= {"max_steps": 4, "val_check_interval": 1}
    config["model"]["continuous_steps"] = 3
    whole = Codec.from_pretrained(train(config, tmp_path / "whole")).state_dict()
    checkpoint = stop_after(config, tmp_path / "half", steps=2)
    resumed = Codec.from_pretrained(train(config, tmp_path / "half", resume=checkpoint)).state_dict()
    assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())


def test_a_codec_trains_on_a_sphere_and_each_code_sees_its_own_patch(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    config = fresh_codec(tiny_bundle, tmp_path / "cache")
    codec = Codec.from_pretrained(train(config, tmp_path / "run"))
    lengths = codec.vqvae.quantize.embedding.weight.norm(dim=1)
    torch.testing.assert_close(lengths, torch.full((16,), 2.0))
    assert codec.downsampling == 4
    pixels = torch.rand(1, 3, 16, 24)
    assert codec.encode(pixels).shape == (1, 4, 6)
    assert codec.decode(codec.encode(pixels)).shape == pixels.shape
    other = torch.rand(1, 3, 16, 24)
    other[..., :8, :] = pixels[..., :8, :]
    latents, other_latents = (codec.vqvae.encode(fold(x, codec.vqvae)).latents for x in (pixels, other))
    torch.testing.assert_close(latents[..., :2, :], other_latents[..., :2, :], rtol=0, atol=1e-4)
    assert not torch.allclose(latents, other_latents, atol=1e-2)


def test_a_finished_codec_learns_to_draw_its_codes_and_keeps_them(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_data, directories = training_run._data, []

    def data(config: Train, directory: Path, *parts: Any) -> Any:
        directories.append(directory)
        return make_data(config, directory, *parts)

    monkeypatch.setattr(training_run, "_data", data)
    config = configuration(tiny_bundle, tmp_path / "cache")
    config["model"]["kind"] = "codec"
    before = Codec.from_pretrained(tiny_bundle)
    after = Codec.from_pretrained(train(config, tmp_path / "run"))
    scene = SceneDataset("train", size=1, resolution=16)[0]
    pixels = torch.from_numpy(scene.source).movedim(-1, 0)[None] / 255
    codes = before.encode(pixels)
    # what is told of bad rows lies beside the training, not the weights
    assert directories == [tmp_path / "run"]
    assert torch.equal(after.encode(pixels), codes)
    assert (after.decode(codes) - pixels).square().mean() < (before.decode(codes) - pixels).square().mean()
    for name, weight in before.vqvae.named_parameters():
        learns = name.startswith(("decoder.", "post_quant_conv."))
        assert torch.equal(after.vqvae.get_parameter(name), weight) != learns, name
