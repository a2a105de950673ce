"""DINO metrics against transformers and torchvision called directly, as MagicBrush and PIE-Bench do."""

from pathlib import Path

import numpy as np
import pytest
import torch
from metric_weights import pictures
from PIL import Image
from scipy.spatial.distance import cosine as cosine_distance
from torchvision import transforms
from transformers import ViTModel

from editmgt.metrics import Backbones
from editmgt.metrics.dino import DINO, dino_similarity, structure_distance

NORMALISE = transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def load(directory: Path) -> ViTModel:
    return ViTModel.from_pretrained(directory, add_pooling_layer=False).eval()


def test_similarity(tiny_backbones: Backbones, metric_weights_dir: Path) -> None:
    network, preprocess = load(metric_weights_dir / "dino"), transforms.Compose([
        transforms.Resize(256, interpolation=transforms.InterpolationMode.BICUBIC),
        transforms.CenterCrop(224), transforms.ToTensor(), NORMALISE,
    ])  # fmt: skip

    def token(pixels: torch.Tensor) -> np.ndarray:
        image = Image.fromarray((pixels.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
        with torch.no_grad():
            return network(preprocess(image)[None]).last_hidden_state[0, 0].numpy()

    dino, a, b = tiny_backbones.get("dino"), pictures(3, 0), pictures(3, 1)
    expected = [1 - cosine_distance(token(x), token(y)) for x, y in zip(a, b, strict=True)]
    assert dino_similarity(a, b, dino).tolist() == pytest.approx(expected, abs=1e-5)
    assert dino_similarity(a, a, dino).tolist() == pytest.approx([1] * 3)


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16])
def test_whatever_type_the_file_has_it_computes_in_float32(
    metric_weights_dir: Path, tmp_path: Path, stored: torch.dtype
) -> None:
    load(metric_weights_dir / "dino").to(stored).save_pretrained(tmp_path)
    dino, a, b = Backbones({"dino": {"weights": str(tmp_path)}}).get("dino"), pictures(3, 0), pictures(3, 1)
    assert {parameter.dtype for parameter in dino.parameters()} == {torch.float32}
    exact = DINO(ViTModel.from_pretrained(tmp_path, add_pooling_layer=False, dtype=torch.float32))
    assert torch.equal(dino_similarity(a, b, dino), dino_similarity(a, b, exact))


@pytest.mark.parametrize("size", [(64, 64), (256, 320), (40, 200)])
def test_structure_distance(
    tiny_backbones: Backbones, metric_weights_dir: Path, size: tuple[int, int]
) -> None:
    """By another way round: the keys from the last block's own input, and the cosines one by one."""
    network = load(metric_weights_dir / "structure")
    shrink = transforms.Resize(224, max_size=480, antialias=False)
    last = network.layers[-1]

    def similarity(pixels: torch.Tensor) -> torch.Tensor:
        inputs = NORMALISE(shrink(torch.tensor(pixels.numpy() * 255)))
        with torch.no_grad():
            hidden = network(
                inputs[None], output_hidden_states=True, interpolate_pos_encoding=True
            ).hidden_states[-2]
            keys = last.attention.k_proj(last.layernorm_before(hidden))[0]
        return torch.nn.functional.cosine_similarity(keys[:, None], keys[None], dim=2)

    structure, a, b = tiny_backbones.get("structure"), pictures(2, 0, size), pictures(2, 1, size)
    expected = [
        torch.nn.functional.mse_loss(similarity(x), similarity(y)).item() for x, y in zip(a, b, strict=True)
    ]
    assert structure_distance(a, b, structure).tolist() == pytest.approx(expected, abs=1e-6)
    assert structure_distance(a, a, structure).tolist() == [0, 0]
    assert min(expected) > 1e-5
