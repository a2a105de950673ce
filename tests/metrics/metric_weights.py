"""Small networks with random weights in the layouts that the real ones are published in."""

import json
from pathlib import Path
from typing import Any

import torch
import torchvision
from open_clip import CLIP as OpenCLIP
from safetensors.torch import save_file
from transformers import ViTConfig, ViTModel

from editmgt.config import Metrics
from editmgt.metrics import Backbones
from editmgt.metrics.backbones import DEFAULTS

CLIP_CONFIG = {
    "embed_dim": 24,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
# As OpenAI's: bicubic, the shorter side, then the middle; other colours, to see that they are read.
PREPROCESS = {
    "mean": [0.4, 0.5, 0.6],
    "std": [0.2, 0.3, 0.4],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}
SQUEEZENET = "squeezenet1_1-b8a52dc0.pth"  # torchvision's name for it
SENTENCES = ["a red circle", "a blue circle on the left", "", "a dog"]


def write_clip(directory: Path) -> Path:
    """A directory as open_clip pushes to the hub."""
    directory.mkdir(parents=True)
    model = OpenCLIP(**CLIP_CONFIG)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    save_file(model.state_dict(), directory / "open_clip_model.safetensors")
    config = {"model_cfg": CLIP_CONFIG, "preprocess_cfg": PREPROCESS}
    (directory / "open_clip_config.json").write_text(json.dumps(config))
    return directory


def write_vit(directory: Path, patch_size: int) -> Path:
    """A directory as facebook/dino-vits16 is on the hub, keys and all."""
    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        patch_size=patch_size,
    )
    network = ViTModel(config, add_pooling_layer=False)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    network.save_pretrained(directory)
    return directory


def write_squeezenet(torch_home: Path) -> Path:
    """torchvision's weights in PyTorch's cache."""
    path = torch_home / "hub" / "checkpoints" / SQUEEZENET
    path.parent.mkdir(parents=True)
    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), path)
    return path


def settings_of(directory: Path) -> dict[str, dict[str, object]]:
    """The settings that find what :func:`write_all` wrote."""
    return {
        "clip": {"weights": str(directory / "clip")},
        "dino": {"weights": str(directory / "dino")},
        "structure": {"weights": str(directory / "structure")},
        "lpips": {"net": "squeeze", "weights": str(directory / "torch" / "hub" / "checkpoints" / SQUEEZENET)},
    }


def write_all(directory: Path) -> Backbones:
    """Write one of each but Inception, which has no small form, and return them."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        write_clip(directory / "clip")
        write_vit(directory / "dino", patch_size=32)
        write_vit(directory / "structure", patch_size=16)
        write_squeezenet(directory / "torch")
    return Backbones(settings_of(directory))


class Colours(torch.nn.Module):
    """In Inception's place: the mean colours of the picture's quarters."""

    def forward(self, pixels_B3HW: torch.Tensor) -> torch.Tensor:
        """Return them [B,12]."""
        return torch.nn.functional.adaptive_avg_pool2d(pixels_B3HW.float(), 2).flatten(1)


def pictures(count: int, seed: int = 0, size: tuple[int, int] = (48, 40)) -> torch.Tensor:
    """Smooth pictures of 256 levels."""
    coarse = torch.rand(count, 3, 5, 4, generator=torch.Generator().manual_seed(seed))
    return (torch.nn.functional.interpolate(coarse, size, mode="bicubic").clamp(0, 1) * 255).round() / 255


def regions(size: tuple[int, int] = (48, 40)) -> torch.Tensor:
    """An empty region, a full one, and two ragged ones."""
    random = torch.Generator().manual_seed(1)
    ragged = torch.rand(4, *size, generator=random) < torch.tensor([0, 1, 0.2, 0.7])[:, None, None]
    ragged[0], ragged[1] = False, True
    return ragged


def configured(**values: Any) -> Metrics:
    """A ``metrics`` configuration: the default one, but for these values."""
    networks = {kind: {**of_kind, **values.pop(kind, {})} for kind, of_kind in DEFAULTS.items()}
    return Metrics.model_validate({"names": None, "preset": None, **networks, **values})
