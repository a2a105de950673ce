"""Shipped weights are stored in half precision, and mean what they did."""

from pathlib import Path
from shutil import copytree

import pytest
import torch
from safetensors.torch import load_file, save_file

from editmgt import assets
from editmgt.codec import Codec
from editmgt.ship import ship

WEIGHTS = Path("vqvae/diffusion_pytorch_model.safetensors")


def test_a_shipped_codec_gives_the_codes_that_were_trained_on(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "path", lambda name: tmp_path / name)
    base, editor = ship(tiny_bundle, "tiny_base"), ship(tiny_bundle, "tiny_editor")
    stored, trained = load_file(base / WEIGHTS), load_file(tiny_bundle / WEIGHTS)
    codebook = "quantize.embedding.weight"
    assert torch.equal(stored.pop(codebook), trained[codebook])
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}

    pictures = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = Codec.from_pretrained(tiny_bundle).encode(pictures)
    for bundle in (base, editor):
        different = Codec.from_pretrained(bundle).encode(pictures) != expected
        assert different.float().mean() < 0.01
    assert (editor / "vqvae").resolve() == (base / "vqvae").resolve()
    assert not any(str(tmp_path.parent) in file.read_text() for file in base.rglob("*.json"))


def test_an_editor_of_another_codec_keeps_its_own(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "path", lambda name: tmp_path / name)
    ship(tiny_bundle, "tiny_base")
    other = copytree(tiny_bundle, tmp_path / "other")
    weights = load_file(other / WEIGHTS)
    codebook = weights["quantize.embedding.weight"].flip(0).contiguous()
    save_file(weights | {"quantize.embedding.weight": codebook}, other / WEIGHTS)
    shipped = ship(other, "tiny_editor")
    assert not (shipped / "vqvae").is_symlink()
    assert torch.equal(load_file(shipped / WEIGHTS)["quantize.embedding.weight"], codebook)
