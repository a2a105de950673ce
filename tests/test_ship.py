"""Shipped weights are stored in half precision, and mean what they did."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

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
