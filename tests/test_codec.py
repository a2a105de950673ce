import json
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from diffusers.models.autoencoders.vq_model import VQModel
from safetensors.torch import load_file, save_file

from editmgt.codec import Codec
from editmgt.editing import Editor
from editmgt.errors import UserError


@pytest.fixture(scope="module")
def golden_codec(golden: Path) -> Codec:
    vqvae = VQModel(**json.loads((golden / "edit.config.json").read_text())["vqvae"])
    vqvae.load_state_dict(load_file(golden / "edit.vqvae.safetensors"))
    return Codec(vqvae).eval()


def test_codes_of_the_golden_picture(golden: Path, golden_codec: Codec) -> None:
    io = load_file(golden / "edit.io.safetensors")
    small = io["image_64"].permute(2, 0, 1)[None].float() / 255
    pixels = small.repeat_interleave(16, dim=2).repeat_interleave(16, dim=3)
    assert torch.equal(golden_codec.encode(pixels), io["reference_tokens"])


def test_shapes_and_ranges(tiny_editor: Editor) -> None:
    codec = tiny_editor.codec
    tokens = codec.encode(torch.rand(3, 3, 16, 24))
    assert (codec.downsampling, codec.codebook_size) == (4, 32)
    assert tokens.shape == (3, 4, 6) and tokens.dtype == torch.long
    pixels = codec.decode(tokens)
    assert pixels.shape == (3, 3, 16, 24)
    assert pixels.min() >= 0 and pixels.max() <= 1


def test_branches_that_add_nothing_are_left_out_and_still_saved(tiny_editor: Editor, tmp_path: Path) -> None:
    codec, pixels = deepcopy(tiny_editor.codec), torch.rand(2, 3, 16, 24)
    block = codec.vqvae.encoder.mid_block.resnets[0]
    for parameter in block.conv2.parameters():
        torch.nn.init.zeros_(parameter)
    expected = codec.vqvae.encode(pixels).latents
    codec.save_pretrained(tmp_path)
    quick = Codec.from_pretrained(tmp_path)
    called = []
    for module in quick.vqvae.encoder.mid_block.resnets:
        module.conv1.register_forward_hook(lambda *_: called.append(1))
    assert torch.equal(quick.vqvae.encode(pixels).latents, expected)
    assert len(called) == len(quick.vqvae.encoder.mid_block.resnets) - 1
    assert quick.state_dict().keys() == codec.state_dict().keys()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(tiny_bundle: Path, dtype: torch.dtype) -> None:
    codec, half = Codec.from_pretrained(tiny_bundle), Codec.from_pretrained(tiny_bundle).to(dtype)
    pixels = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert (codec.encode(pixels) == half.encode(pixels)).float().mean() > 0.8
    tokens = codec.encode(pixels)
    # on average, not everywhere: group norms amplify rounding where a random decoder is nearly flat
    assert (codec.decode(tokens) - half.decode(tokens).float()).abs().mean() < 0.01


def test_pixels_that_are_no_numbers_stop(tiny_bundle: Path) -> None:
    """Weights that are finite, and overflow: clipped, they made a black picture that was scored."""
    codec = Codec.from_pretrained(tiny_bundle)
    tokens = torch.zeros(1, 8, 8, dtype=torch.long)
    codec.decode(tokens)
    with torch.no_grad():
        for parameter in codec.parameters():
            parameter.mul_(3e30)
    with pytest.raises(UserError, match="NaN or infinite: the codec's pixels"):
        codec.decode(tokens)


def test_refuses_sizes_it_cannot_tile(tiny_editor: Editor) -> None:
    with pytest.raises(ValueError, match="18x16"):
        tiny_editor.codec.encode(torch.rand(1, 3, 18, 16))


def test_round_trip_on_disk(tiny_editor: Editor, tmp_path: Path) -> None:
    tiny_editor.codec.save_pretrained(tmp_path)
    pixels = torch.rand(1, 3, 16, 16)
    assert torch.equal(Codec.from_pretrained(tmp_path).encode(pixels), tiny_editor.codec.encode(pixels))


@pytest.mark.parametrize("damage", ["missing", "unexpected", "mismatched", "garbage", "no config"])
def test_every_key_is_checked(tiny_editor: Editor, tmp_path: Path, damage: str) -> None:
    tiny_editor.codec.save_pretrained(tmp_path)
    path = tmp_path / "vqvae" / "diffusion_pytorch_model.safetensors"
    state, key = load_file(path), "quant_conv.bias"
    if damage == "missing":
        del state[key]
    elif damage == "unexpected":
        state["quant_conv.extra"] = torch.zeros(1)
    else:
        state[key] = torch.zeros(9)
    save_file(state, path, metadata={"format": "pt"})
    if damage == "garbage":
        path.write_bytes(b"not a tensor")
    if damage == "no config":
        (tmp_path / "vqvae" / "config.json").unlink()
    with pytest.raises(UserError) as caught:
        Codec.from_pretrained(tmp_path)
    message = str(caught.value)
    assert "vqvae" in message and "\n" not in message
    if damage in ("missing", "unexpected", "mismatched"):
        assert f"{damage} quant_conv." in message


def test_needs_a_model_that_decodes_codes() -> None:
    with pytest.raises(UserError, match="lookup_from_codebook"):
        Codec(VQModel(block_out_channels=(8,), norm_num_groups=4))
