"""CLIP's view of an edit, through open_clip: against a picture, against a caption, and along the captions' way.

Shapes: B batch, 3 RGB, H W pixels, D features. Regions are bool with True where counted. NaN is "not defined".
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from editmgt.errors import UserError, nearest
from editmgt.metrics.features import ImageFeatures, cosine_metric, to_images
from editmgt.metrics.image import blackened
from editmgt.metrics.network_weights import MissingWeights, configured, from_hub, in_directory

_clip_metric = partial(cosine_metric, backbone="clip")
_CONFIG, _WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"  # as open_clip publishes them


class CLIP(ImageFeatures):
    """An open_clip model with its own preprocessing and tokenizer.

    Settings: ``model`` and ``tag``, names of open_clip's lists; ``weights``, a file of ``model``'s weights or a
    directory with ``open_clip_config.json`` and ``open_clip_model.safetensors`` (which then say the model).
    """

    def __init__(
        self,
        model: torch.nn.Module,
        preprocess: Callable[..., Tensor],
        tokenize: Callable[[list[str]], Tensor],
    ) -> None:
        super().__init__(model)
        self.preprocess, self.tokenize = preprocess, tokenize

    @staticmethod
    def find(kind: str, settings: Mapping[str, Any]) -> tuple[Path, ...]:
        """Return the files of the weights; see :mod:`editmgt.metrics.network_weights` for the errors."""
        try:
            import open_clip
        except ImportError as error:
            raise MissingWeights("open_clip is not installed: pip install 'editmgt[metrics]'.") from error
        key, model, tag = f"metrics.{kind}", settings["model"], settings["tag"]
        if settings["weights"] is not None:
            path = configured(f"{key}.weights", settings["weights"])
            if path.is_dir():
                return in_directory(f"{key}.weights", path, (_CONFIG, _WEIGHTS))
        if model not in open_clip.list_models():
            raise UserError(
                f"{key}.model={model} is no model of open_clip.{nearest(model, open_clip.list_models())}"
            )
        tags = open_clip.list_pretrained_tags_by_model(model)
        if tag not in tags:  # of a file, too: the tag says how its weights are to be read
            raise UserError(f"{key}.tag={tag} must be one of {', '.join(tags)}.{nearest(tag, tags)}")
        if settings["weights"] is not None:
            return (path,)
        published = open_clip.get_pretrained_cfg(model, tag)
        # Where open_clip keeps what it downloads from elsewhere. OpenAI's own files are programs: not those.
        local = Path.home() / ".cache" / "clip" / published.get("url", "").rsplit("/", 1)[-1]
        if local.is_file() and tag != "openai":
            return (local,)
        repository, _, name = published["hf_hub"].rpartition("/")
        safe = name if name.endswith(".safetensors") else _WEIGHTS
        return from_hub(f"{key}.weights", repository, (safe,))

    @classmethod
    def load(cls, files: Sequence[Path], settings: Mapping[str, Any]) -> "CLIP":
        """Return the model; weights that do not fit it are a ``UserError`` that names the file."""
        import open_clip

        name: str = settings["model"]
        weights: str | None = str(files[-1])
        if files[0].name == _CONFIG:
            _check_config(files[0])
            name, weights = f"local-dir:{files[0].parent}", None
        try:
            model, preprocess = open_clip.create_model_from_pretrained(
                name,
                weights,
                precision="fp32",
                weights_only=True,
                **({} if weights is None else _as_published(settings)),
            )
            return cls(model, preprocess, open_clip.get_tokenizer(name))
        except Exception as error:  # open_clip raises as torch, json and safetensors do
            first = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise UserError(f"{files[-1]} cannot be read as weights of {name}: {first}") from error

    def _features(self, pixels_B3HW: Tensor) -> Tensor:
        inputs = torch.stack([self.preprocess(image) for image in to_images(pixels_B3HW)])
        return self.network.encode_image(inputs.to(pixels_B3HW.device))

    def text(self, sentences: Sequence[str]) -> Tensor:
        """Return the sentences' features [B,D], float32; long ones are cut as open_clip cuts them."""
        with torch.no_grad():
            tokens = self.tokenize(list(sentences)).to(next(self.network.parameters()).device)
            return self.network.encode_text(tokens).float()


@_clip_metric(
    "clip/i",
    description="CLIP-I: cosine of the features of edited and target",
    source="MagicBrush, evaluation/image_eval.py",
    reads=("edited", "target"),
)
@_clip_metric(
    "clip/i_source",
    description="CLIP-I against the source: cosine of the features of edited and source; doing nothing scores 1",
    source="Emu Edit (CLIP_im)",
    reads=("edited", "source"),
)
def clip_image_similarity(edited_B3HW: Tensor, reference_B3HW: Tensor, network: CLIP) -> Tensor:
    """Return CLIP-I [B] in [-1, 1]: the cosine of two pictures' features (MagicBrush, Emu Edit)."""
    return F.cosine_similarity(network(edited_B3HW), network(reference_B3HW))


@_clip_metric(
    "clip/t",
    description="CLIP-T: cosine of the features of edited and the target's caption; not defined without a caption",
    source="MagicBrush, evaluation/image_eval.py; Emu Edit (CLIP_out); PIE-Bench, which prints 100 times this",
    reads=("edited", "target_caption"),
)
@_clip_metric(
    "clip/t_inside",
    description="clip/t with all that is outside the edit mask black; not defined where the mask is empty",
    source="PIE-Bench (edited part), which prints 100 times this",
    reads=("edited", "target_caption", "edit_mask"),
)
def clip_text_similarity(
    edited_B3HW: Tensor, captions: Sequence[str], region_BHW: Tensor | None = None, *, network: CLIP
) -> Tensor:
    """Return CLIP-T [B] in [-1, 1]: the cosine of a picture's and its caption's features.

    With a region, all else is black, as PIE-Bench does (it prints 100 times this). NaN where there is no
    caption or the region is empty.
    """
    missing_B = edited_B3HW.new_tensor([not caption.strip() for caption in captions], dtype=torch.bool)
    if region_BHW is not None:
        edited_B3HW = blackened(edited_B3HW, region_BHW)
        missing_B = missing_B | ~region_BHW.flatten(1).any(dim=1)
    similarity_B = F.cosine_similarity(network(edited_B3HW), network.text(captions))
    return torch.where(missing_B, torch.nan, similarity_B)


@_clip_metric(
    "clip/dir",
    description="cosine of the way from source to edited and the way from the source's to the target's caption, among "
    "unit features; 0 where nothing changed, not defined where the captions are equal or missing",
    source="Gal et al. 2021; InstructPix2Pix, metrics/clip_similarity.py",
    reads=("edited", "source", "source_caption", "target_caption"),
)
def clip_direction(
    edited_B3HW: Tensor,
    source_B3HW: Tensor,
    source_captions: Sequence[str],
    target_captions: Sequence[str],
    network: CLIP,
) -> Tensor:
    """Return the directional similarity [B] in [-1, 1]: do the pictures move as their captions do.

    The cosine of the two differences of unit features (Gal et al. 2021; InstructPix2Pix,
    ``metrics/clip_similarity.py``, but with the model's own preprocessing). 0 where the edit changed nothing;
    NaN where the captions are equal or one is missing, for then no direction was asked for.
    """
    pairs = list(zip(source_captions, target_captions, strict=True))
    missing_B = edited_B3HW.new_tensor(
        [not a.strip() or not b.strip() or a == b for a, b in pairs], dtype=torch.bool
    )
    moved_BD = F.normalize(network(edited_B3HW)) - F.normalize(network(source_B3HW))
    asked_BD = F.normalize(network.text(target_captions)) - F.normalize(network.text(source_captions))
    # Equal pictures differ by rounding, which has a direction too.
    same_B = (edited_B3HW == source_B3HW).flatten(1).all(dim=1)
    along_B = F.cosine_similarity(moved_BD, asked_BD).masked_fill(same_B, 0)
    return torch.where(missing_B, torch.nan, along_B)


def _as_published(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the activation and the preprocessing of a tag: open_clip goes by them for a tag, not for a file.

    A model's own activation is the exact GELU mostly, where OpenAI and others trained the same layers with a quick one.
    """
    import open_clip

    published = open_clip.get_pretrained_cfg(settings["model"], settings["tag"])
    names = {"mean": "image_mean", "std": "image_std"}
    names |= {"interpolation": "image_interpolation", "resize_mode": "image_resize_mode"}
    colours = {argument: published[name] for name, argument in names.items() if name in published}
    return colours | {"force_quick_gelu": bool(published.get("quick_gelu"))}


def _check_config(path: Path) -> None:
    """Refuse a configuration that would fetch further models, whose code open_clip might then run."""
    try:
        config = json.loads(path.read_text())["model_cfg"]
        foreign = [name for part in ("text_cfg", "vision_cfg") for name in config[part] if name in _FOREIGN]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not a configuration of open_clip: {error!r}") from error
    if foreign:
        raise UserError(
            f"{path} builds on models from elsewhere ({', '.join(foreign)}): that is not supported."
        )


_FOREIGN = {"hf_model_name", "hf_tokenizer_name", "timm_model_name"}
