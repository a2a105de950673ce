"""CLIP metrics against open_clip called directly, a picture at a time."""

from pathlib import Path

import numpy as np
import open_clip
import open_clip.pretrained
import pytest
import torch
from metric_weights import CLIP_CONFIG, PREPROCESS, SENTENCES, pictures, regions
from PIL import Image
from scipy.spatial.distance import cosine as cosine_distance

from editmgt.metrics import Backbones
from editmgt.metrics.clip import CLIP, clip_direction, clip_image_similarity, clip_text_similarity


class Direct:
    """open_clip, used as its README says."""

    def __init__(self, directory: Path) -> None:
        name = f"local-dir:{directory / 'clip'}"
        self.model, self.preprocess = open_clip.create_model_from_pretrained(name)
        self.model.eval()
        self.tokenizer = open_clip.get_tokenizer(name)

    def image(self, pixels: torch.Tensor, mask: torch.Tensor | None = None) -> np.ndarray:
        array = (pixels.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        if mask is not None:
            array = np.uint8(array * mask.numpy()[..., None])
        with torch.no_grad():
            return self.model.encode_image(self.preprocess(Image.fromarray(array))[None])[0].numpy()

    def text(self, sentence: str) -> np.ndarray:
        with torch.no_grad():
            return self.model.encode_text(self.tokenizer([sentence]))[0].numpy()


@pytest.fixture(scope="module")
def direct(metric_weights_dir: Path) -> Direct:
    return Direct(metric_weights_dir)


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x)


def test_image_similarity(tiny_backbones: Backbones, direct: Direct) -> None:
    clip, a, b = tiny_backbones.get("clip"), pictures(4, 0), pictures(4, 1)
    expected = [1 - cosine_distance(direct.image(x), direct.image(y)) for x, y in zip(a, b, strict=True)]
    assert clip_image_similarity(a, b, clip).tolist() == pytest.approx(expected, abs=1e-5)
    assert clip_image_similarity(a, a, clip).tolist() == pytest.approx([1] * 4)
    assert max(expected) - min(expected) > 1e-3  # the small network does tell pictures apart


def test_text_similarity_whole_and_in_a_region(tiny_backbones: Backbones, direct: Direct) -> None:
    clip, a, mask = tiny_backbones.get("clip"), pictures(4, 0), regions()
    whole = [1 - cosine_distance(direct.image(x), direct.text(t)) for x, t in zip(a, SENTENCES, strict=True)]
    whole[2] = np.nan  # no caption
    assert clip_text_similarity(a, SENTENCES, network=clip).tolist() == pytest.approx(
        whole, abs=1e-5, nan_ok=True
    )
    part = [
        1 - cosine_distance(direct.image(x, m), direct.text(t))
        for x, m, t in zip(a, mask, SENTENCES, strict=True)
    ]
    part[0] = part[2] = np.nan  # an empty region; no caption
    got = clip_text_similarity(a, SENTENCES, mask, network=clip)
    assert got.tolist() == pytest.approx(part, abs=1e-5, nan_ok=True)


def test_direction(tiny_backbones: Backbones, direct: Direct) -> None:
    clip, edited, source = tiny_backbones.get("clip"), pictures(4, 0), pictures(4, 1)
    source[1] = edited[1]
    before = ["a circle", "a circle", "a circle", "a dog"]
    after = ["a red circle", "a square", "", "a dog"]
    moved = [unit(direct.image(x)) - unit(direct.image(y)) for x, y in zip(edited, source, strict=True)]
    asked = [unit(direct.text(x)) - unit(direct.text(y)) for x, y in zip(after, before, strict=True)]
    expected = [1 - cosine_distance(moved[0], asked[0]), 0, np.nan, np.nan]
    got = clip_direction(edited, source, before, after, clip)
    assert got.tolist() == pytest.approx(expected, abs=1e-4, nan_ok=True)


def test_a_sample_does_not_depend_on_its_batch(tiny_backbones: Backbones) -> None:
    clip, a, b = tiny_backbones.get("clip"), pictures(4, 0), pictures(4, 1)
    alone = torch.cat([clip_image_similarity(a[i : i + 1], b[i : i + 1], clip) for i in range(4)])
    torch.testing.assert_close(clip_image_similarity(a, b, clip), alone)


def test_features_are_computed_once_and_again_after_a_change_in_place(tiny_backbones: Backbones) -> None:
    clip, a = tiny_backbones.get("clip"), pictures(2, 0)
    first = clip(a)
    assert clip(a) is first
    a.copy_(pictures(2, 1))
    assert not torch.equal(clip(a), first)
    torch.testing.assert_close(clip(a), clip(pictures(2, 1)))


def test_the_preprocessing_is_the_weights_own(direct: Direct, tiny_backbones: Backbones) -> None:
    clip = tiny_backbones.get("clip")
    assert str(clip.preprocess) == str(direct.preprocess)
    assert all(str(value) in str(clip.preprocess) for value in PREPROCESS["std"])


def test_the_activation_is_the_weights_own(metric_weights_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of exact GELU whose tag was trained with a quick one, as ViT-B-32 and openai: read from a file."""
    weights = metric_weights_dir / "clip" / "open_clip_model.safetensors"
    model = {key: value for key, value in CLIP_CONFIG.items() if key != "quick_gelu"}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "small", model)
    tags = {"quick": {"quick_gelu": True, "mean": (0.1, 0.2, 0.3)}, "exact": {}}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "small", tags)
    a = pictures(2, 0)
    for tag, quick in (("quick", True), ("exact", False), ("unpublished", False)):
        clip = CLIP.load((weights,), {"model": "small", "tag": tag})
        wanted = open_clip.CLIP(**(CLIP_CONFIG | {"quick_gelu": quick})).eval()
        open_clip.load_checkpoint(wanted, str(weights))
        wanted.requires_grad_(False)
        inputs = torch.rand(2, 3, 32, 32)
        torch.testing.assert_close(clip.network.encode_image(inputs), wanted.encode_image(inputs))
        torch.testing.assert_close(clip.text(["a dog"]), wanted.encode_text(clip.tokenize(["a dog"])))
        assert clip(a).isfinite().all()


def test_the_activation_of_all_published_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What open_clip is told, for each of its models and tags; 28 of them are not what the model's name says."""
    asked: dict[str, bool] = {}

    def create(name: str, weights: str, force_quick_gelu: bool, **_: object) -> tuple[torch.nn.Module, None]:
        asked["quick"] = force_quick_gelu
        return torch.nn.Identity(), None

    monkeypatch.setattr(open_clip, "create_model_from_pretrained", create)
    monkeypatch.setattr(open_clip, "get_tokenizer", lambda name: None)
    differ = 0
    for model, tag in open_clip.list_pretrained():
        own = bool(open_clip.get_model_config(model).get("quick_gelu"))
        published = open_clip.get_pretrained_cfg(model, tag).get("quick_gelu", own)
        CLIP.load((Path("weights.safetensors"),), {"model": model, "tag": tag})
        assert (own or asked["quick"]) == published, (model, tag)
        differ += own != published
    assert differ > 20
