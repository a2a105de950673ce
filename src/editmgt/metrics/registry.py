"""The metrics by name: what each one reads, and its direction, unit, range and source, said once.

Shapes: B batch, 3 RGB, H W pixels, h w a coarser grid.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from editmgt.errors import UserError, nearest
from editmgt.metrics.clip import clip_direction, clip_image_similarity, clip_text_similarity
from editmgt.metrics.dino import dino_similarity, structure_distance
from editmgt.metrics.distribution import fid, kid
from editmgt.metrics.image import all_pixels, l1, l2, psnr, ssim, ssim_inner
from editmgt.metrics.localization import (
    held_fraction,
    localization_auc,
    localization_iou,
    localization_iou_best,
)
from editmgt.metrics.perceptual import lpips_distance
from editmgt.metrics.success import changed_outside, edit_ratio, edit_success, edit_success_strict

if TYPE_CHECKING:
    from editmgt.metrics.backbones import Backbones


ROUNDING = 1e-4  # how far float32 may take a value out of its range


@dataclass(frozen=True)
class EditBatch:
    """Edits and their truth, as the registry's metrics read them.

    What a benchmark does not have is None, and metrics that read it are not defined.

    Attributes:
        edited, source, target: pictures [B,3,H,W] in [0, 1].
        edit_mask: bool [B,H,W], True where an edit may change something.
        source_codec: the codec's round trip of the source [B,3,H,W].
        localization: the editor's map [B,h,w] in [0, 1], on the grid of its source.
        held: bool [B,h,w] on the code grid, True where region hold decided.
        hold_threshold: the score from which a token is free, where the hold rule has one.
        seconds: what each sample's edit took [B].
        source_caption, target_caption: what the source and the target show, B sentences; "" where unknown.
        backbones: the networks that some metrics look through.
    """

    edited: Tensor
    source: Tensor
    target: Tensor | None
    edit_mask: Tensor | None
    source_codec: Tensor | None
    localization: Tensor | None = None
    held: Tensor | None = None
    hold_threshold: float | None = None
    seconds: Tensor | None = None
    source_caption: Sequence[str] | None = None
    target_caption: Sequence[str] | None = None
    backbones: "Backbones | None" = None

    @property
    def outside(self) -> Tensor | None:
        """Bool [B,H,W], True where nothing should change."""
        return None if self.edit_mask is None else ~self.edit_mask

    def backbone(self, kind: str) -> Any:
        """Return the network of a kind."""
        if self.backbones is None:
            raise ValueError(f"this metric needs the {kind} network: give the batch its backbones")
        return self.backbones.get(kind)


@dataclass(frozen=True)
class MetricSpec:
    """One metric.

    Attributes:
        name: ``group/name``.
        direction: which way is better.
        unit: of the value; ``1`` for a plain number.
        low, high: the range; an open end is None.
        description: what it measures and where it is not defined.
        source: where the definition comes from.
        function: the value of each sample [B], NaN where it is not defined.
        reads: the fields of :class:`EditBatch` that ``function`` takes, in order.
        backbone: the kind of network that ``function`` takes after them, if any.
        default: whether it is computed where no metric is asked for by name.
        of_set: whether it is one value for all samples, of the features [N,D] of what ``reads`` names; such a
            metric has no :meth:`score`, see :class:`editmgt.metrics.FID`.
    """

    name: str
    direction: Literal["higher", "lower", "neither"]
    unit: str
    low: float | None
    high: float | None
    description: str
    source: str
    function: Callable[..., Tensor]
    reads: tuple[str, ...]
    backbone: str | None = None
    default: bool = True
    of_set: bool = False

    def score(self, batch: EditBatch) -> Tensor:
        """Return the value of each sample [B]; NaN for all where the batch lacks what the metric reads."""
        fields = [getattr(batch, field) for field in self.reads]
        if not len(batch.edited) or any(field is None for field in fields):
            return torch.full((len(batch.edited),), torch.nan)
        network = {} if self.backbone is None else {"network": batch.backbone(self.backbone)}
        return self.function(*fields, **network)

    def check(self, values_B: Tensor) -> None:
        """Raise a ``ValueError`` for a value that is infinite or out of range by more than rounding."""
        low, high = -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high
        for value in values_B.tolist():
            if not (
                math.isnan(value) or (low - ROUNDING <= value <= high + ROUNDING and math.isfinite(value))
            ):
                raise ValueError(
                    f"{self.name} is {value:g}, which is no value of it: it lies in {self.range}"
                )

    @property
    def range(self) -> str:
        """The range in words, an open end as infinity."""
        low, high = ("infinity" if end is None else f"{end:g}" for end in (self.low, self.high))
        return f"{'-' if self.low is None else ''}{low} to {high}"


# How the picture distances compare: group -> (in words, what they read).
_REGIONS = {
    "whole": ("edited against target, over the whole picture", ("edited", "target")),
    "source": ("edited against source, over the whole picture", ("edited", "source")),
    "inside": ("edited against target, inside the edit mask", ("edited", "target", "edit_mask")),
    "outside": (
        "edited against source, outside the edit mask (an exact mask, as that of scenes, holds all of the "
        "pixels where source and target differ, so this is the target too)",
        ("edited", "source", "outside"),
    ),
    "outside_codec": (
        "edited against the codec's round trip of the source, outside the edit mask: what the editor "
        "changed, without what the codec loses",
        ("edited", "source_codec", "outside"),
    ),
    "outside_all": (
        "edited against source, both black inside the edit mask, over all pixels: its value depends on the "
        "mask's area, so it is for comparing with published numbers",
        ("edited", "source", "outside"),
    ),
}


def _picture_distances() -> Iterator[MetricSpec]:
    for group, (what, reads) in _REGIONS.items():
        by_area, default = group != "outside_all", group not in ("source", "outside_all")
        empty = "" if len(reads) == 2 else "; not defined where the region is empty"

        def over(distance: Callable[..., Tensor], by_area: bool = by_area) -> Callable[..., Tensor]:
            return distance if by_area else all_pixels(distance)

        background = "PIE-Bench (background)" + (", here over the region's own area" if by_area else "")
        if by_area:
            yield MetricSpec(
                f"{group}/l1", "lower", "1", 0, 1, f"mean absolute difference, {what}{empty}",
                "MagicBrush, evaluation/image_eval.py (whole picture)", l1, reads, default=default,
            )  # fmt: skip
        yield MetricSpec(
            f"{group}/l2", "lower", "1", 0, 1, f"mean squared difference, {what}{empty}",
            f"MagicBrush, evaluation/image_eval.py (whole picture); {background}", over(l2), reads,
            default=False,
        )  # fmt: skip
        yield MetricSpec(
            f"{group}/psnr", "higher", "dB", 0, None,
            f"peak signal-to-noise, {what}; not defined where the region is empty or equal (infinite)",
            background, over(psnr), reads, default=default,
        )  # fmt: skip
        # The protocol is of 2023 and pins no torchmetrics; what there was then, up to 1.4.1, left the border out.
        border = "with its border mirrored" if by_area else "without the 5 pixels of its border"
        yield MetricSpec(
            f"{group}/ssim", "higher", "1", -1, 1,
            f"structural similarity map (11x11 Gaussian, sigma 1.5) averaged, {border}, {what}{empty}",
            f"Wang et al. 2004; {background}" + ("" if by_area else ", with torchmetrics up to 1.4.1"),
            over(ssim if by_area else ssim_inner), reads, default=default,
        )  # fmt: skip
        yield MetricSpec(
            f"{group}/lpips", "lower", "1", 0, None,
            f"LPIPS of metrics.lpips.net, {what}; not defined for a side of fewer pixels than the net needs{empty[1:]}",
            f"Zhang et al. 2018; {background}", over(lpips_distance), reads, "lpips", default=False,
        )  # fmt: skip


_RATIO = "r = mean|edited - target| / mean|source - target| over the edit mask"
_SEEN = "differs from codec(source) by more than .05 (mean over RGB)"
_NOOP = f"where nothing should change, 1 where at most .004 of the picture {_SEEN}"
_EDIT = ("edited", "source", "target", "edit_mask")

_SPECS = (
    *_picture_distances(),
    MetricSpec(
        "edit/ratio", "lower", "1", 0, None,
        f"{_RATIO}: 0 is the target, 1 as far from it as the source; not defined where nothing should change",
        "this project", edit_ratio, _EDIT,
    ),
    MetricSpec(
        "edit/success", "higher", "1", 0, 1, f"1 where r <= .5, else 0, with {_RATIO}; {_NOOP}",
        "this project", edit_success, (*_EDIT, "source_codec"),
    ),
    MetricSpec(
        "edit/success_strict", "higher", "1", 0, 1, f"1 where r <= .25, else 0, with {_RATIO}; {_NOOP}",
        "this project", edit_success_strict, (*_EDIT, "source_codec"),
    ),
    MetricSpec(
        "outside_codec/changed", "lower", "1", 0, 1,
        f"share of the picture that lies outside the edit mask and {_SEEN}; not defined where the mask is full",
        "this project", changed_outside, ("edited", "source_codec", "edit_mask"),
    ),
    MetricSpec(
        "localization/auc", "higher", "1", 0, 1,
        "area under the ROC curve of the editor's map (of model.localization.source) against the edit mask, at pixels; "
        "not defined where the mask is empty or full",
        "Mann-Whitney U over its maximum", localization_auc, ("localization", "edit_mask"),
    ),
    MetricSpec(
        "localization/iou", "higher", "1", 0, 1,
        "intersection over union of the edit mask and the pixels whose score is at least the hold threshold; "
        "not defined where the mask is empty, or under a hold rule without a threshold",
        "Jaccard index", localization_iou, ("localization", "edit_mask", "hold_threshold"),
    ),
    MetricSpec(
        "localization/iou_best", "higher", "1", 0, 1,
        "localization/iou at the threshold that suits each sample best, by its truth: an upper bound; "
        "not defined where the mask is empty or full",
        "Jaccard index", localization_iou_best, ("localization", "edit_mask"),
    ),
    MetricSpec(
        "localization/held", "neither", "1", 0, 1,
        "fraction of tokens that region hold decided: near 1, nothing could change; 0 with hold off",
        "this project", held_fraction, ("held",),
    ),
    MetricSpec(
        "clip/i", "higher", "1", -1, 1, "CLIP-I: cosine of the features of edited and target",
        "MagicBrush, evaluation/image_eval.py", clip_image_similarity, ("edited", "target"), "clip", False,
    ),
    MetricSpec(
        "clip/i_source", "higher", "1", -1, 1,
        "CLIP-I against the source: cosine of the features of edited and source; doing nothing scores 1",
        "Emu Edit (CLIP_im)", clip_image_similarity, ("edited", "source"), "clip", False,
    ),
    MetricSpec(
        "clip/t", "higher", "1", -1, 1,
        "CLIP-T: cosine of the features of edited and the target's caption; not defined without a caption",
        "MagicBrush, evaluation/image_eval.py; Emu Edit (CLIP_out); PIE-Bench, which prints 100 times this",
        clip_text_similarity, ("edited", "target_caption"), "clip", False,
    ),
    MetricSpec(
        "clip/t_inside", "higher", "1", -1, 1,
        "clip/t with all that is outside the edit mask black; not defined where the mask is empty",
        "PIE-Bench (edited part), which prints 100 times this",
        clip_text_similarity, ("edited", "target_caption", "edit_mask"), "clip", False,
    ),
    MetricSpec(
        "clip/dir", "higher", "1", -1, 1,
        "cosine of the way from source to edited and the way from the source's to the target's caption, among "
        "unit features; 0 where nothing changed, not defined where the captions are equal or missing",
        "Gal et al. 2021; InstructPix2Pix, metrics/clip_similarity.py", clip_direction,
        ("edited", "source", "source_caption", "target_caption"), "clip", False,
    ),
    MetricSpec(
        "dino/i", "higher", "1", -1, 1, "cosine of the DINO class tokens of edited and target",
        "MagicBrush, evaluation/image_eval.py", dino_similarity, ("edited", "target"), "dino", False,
    ),
    MetricSpec(
        "dino/i_source", "higher", "1", -1, 1,
        "cosine of the DINO class tokens of edited and source; doing nothing scores 1",
        "Emu Edit", dino_similarity, ("edited", "source"), "dino", False,
    ),
    MetricSpec(
        "structure/distance", "lower", "1", 0, 4,
        "mean squared difference of the self-similarities of DINO's last keys, edited against source; PIE-Bench "
        "prints 1000 times this in its tables",
        "Tumanyan et al. 2022; PIE-Bench, evaluation/matrics_calculator.py, its scaling of pictures included",
        structure_distance, ("edited", "source"), "structure", False,
    ),
    MetricSpec(
        "set/fid", "lower", "1", 0, None,
        "Frechet distance between the Inception features of all edited pictures and of all targets (sources, "
        "where there are no targets); biased upwards for small sets, so compare at equal n",
        "Heusel et al. 2017", fid, ("edited", "target"), "inception", False, True,
    ),
    MetricSpec(
        "set/kid", "lower", "1", None, None,
        "kernel distance between the same features, unbiased: it may be under 0",
        "Binkowski et al. 2018", kid, ("edited", "target"), "inception", False, True,
    ),
    MetricSpec(
        "speed/edit_seconds", "lower", "s", 0, None,
        "what Editor.edit took for the sample's batch over the batch's size, the first batch's warm-up "
        "included; depends on the device and on the batch size",
        "this project", lambda seconds: seconds, ("seconds",),
    ),
)  # fmt: skip

REGISTRY: dict[str, MetricSpec] = {spec.name: spec for spec in _SPECS}


def metric_names(names: Iterable[str] | None = None) -> tuple[str, ...]:
    """Return ``names`` (None: the default ones); an unknown one is a ``UserError``."""
    if names is None:
        return tuple(name for name, spec in REGISTRY.items() if spec.default)
    names = tuple(names)
    unknown = [f"'{name}'.{nearest(name, REGISTRY)}" for name in names if name not in REGISTRY]
    if unknown:
        raise UserError(f"Unknown metric {' Unknown metric '.join(unknown)} Known: {', '.join(REGISTRY)}.")
    return names
