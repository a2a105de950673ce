"""The metrics by name: what each one reads, and its direction, unit, range and source, said once.

Shapes: B batch, 3 RGB, H W pixels, h w a coarser grid.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from editmgt.errors import UserError, nearest
from editmgt.metrics.image import l1, psnr, ssim
from editmgt.metrics.localization import (
    held_fraction,
    localization_auc,
    localization_iou,
    localization_iou_best,
)
from editmgt.metrics.success import edit_ratio, edit_success, edit_success_strict


@dataclass(frozen=True)
class EditBatch:
    """Edits and their truth, as the registry's metrics read them.

    Attributes:
        edited, source, target: pictures [B,3,H,W] in [0, 1].
        edit_mask: bool [B,H,W], True where an edit may change something.
        source_codec: the codec's round trip of the source [B,3,H,W].
        localization: the editor's map [B,h,w] in [0, 1].
        held: bool [B,h,w] on the code grid, True where region hold decided.
        hold_threshold: the score from which a token is free.
        seconds: what each sample's edit took [B].
    """

    edited: Tensor
    source: Tensor
    target: Tensor
    edit_mask: Tensor
    source_codec: Tensor
    localization: Tensor | None = None
    held: Tensor | None = None
    hold_threshold: float | None = None
    seconds: Tensor | None = None

    @property
    def outside(self) -> Tensor:
        """Bool [B,H,W], True where nothing should change."""
        return ~self.edit_mask


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

    def score(self, batch: EditBatch) -> Tensor:
        """Return the value of each sample [B]."""
        return self.function(*(getattr(batch, field) for field in self.reads))


# How the picture distances compare: group -> (in words, what they read).
_REGIONS = {
    "whole": ("edited against target, over the whole picture", ("edited", "target")),
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
}


def _picture_distances() -> Iterator[MetricSpec]:
    for group, (what, reads) in _REGIONS.items():
        empty = "" if group == "whole" else "; not defined where the region is empty"
        yield MetricSpec(
            f"{group}/l1", "lower", "1", 0, 1, f"mean absolute difference, {what}{empty}",
            "MagicBrush, evaluation/image_eval.py (whole picture)", l1, reads,
        )  # fmt: skip
        yield MetricSpec(
            f"{group}/psnr", "higher", "dB", 0, None,
            f"peak signal-to-noise, {what}; not defined where the region is empty or equal (infinite)",
            "PIE-Bench (background), here over the region's own area", psnr, reads,
        )  # fmt: skip
        yield MetricSpec(
            f"{group}/ssim", "higher", "1", -1, 1,
            f"structural similarity map (11x11 Gaussian, sigma 1.5) averaged, {what}{empty}",
            "Wang et al. 2004; PIE-Bench (background), here over the region's own area", ssim, reads,
        )  # fmt: skip


_RATIO = "r = mean|edited - target| / mean|source - target| over the edit mask"
_NOOP = "where nothing should change, 1 where mean|edited - codec(source)| <= .02 over the picture"
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
        "localization/auc", "higher", "1", 0, 1,
        "area under the ROC curve of the attention map (mean over steps) against the edit mask, at pixels; "
        "not defined where the mask is empty or full",
        "Mann-Whitney U over its maximum", localization_auc, ("localization", "edit_mask"),
    ),
    MetricSpec(
        "localization/iou", "higher", "1", 0, 1,
        "intersection over union of the edit mask and the pixels whose score (mean over steps) is at least "
        "the hold threshold; not defined where the mask is empty",
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
        "speed/edit_seconds", "lower", "s", 0, None,
        "what Editor.edit took for the sample's batch over the batch's size, the first batch's warm-up "
        "included; depends on the device and on the batch size",
        "this project", lambda seconds: seconds, ("seconds",),
    ),
)  # fmt: skip

REGISTRY: dict[str, MetricSpec] = {spec.name: spec for spec in _SPECS}


def metric_names(names: Iterable[str] | None = None) -> tuple[str, ...]:
    """Return ``names`` (None: the whole registry); an unknown one is a ``UserError``."""
    names = tuple(REGISTRY if names is None else names)
    unknown = [f"'{name}'.{nearest(name, REGISTRY)}" for name in names if name not in REGISTRY]
    if unknown:
        raise UserError(f"Unknown metric {' Unknown metric '.join(unknown)} Known: {', '.join(REGISTRY)}.")
    return names
