"""Did the edit happen: how far the edited picture is from the target, in units of how far the source was.

Shapes: B batch, 3 RGB, H W pixels. Pictures are floats in [0, 1], masks are bool with True where an edit
may change something. NaN is "not defined".
"""

from functools import partial

import torch
from torch import Tensor

from editmgt.metrics.image import l1
from editmgt.metrics.registry import metric

SUCCESS_RATIO = 0.5
STRICT_RATIO = 0.25
VISIBLE = 0.05  # a pixel that differs by more than this (mean over RGB) is seen to
UNTOUCHED = 0.004  # share of a picture that may be seen to differ where nothing should: the smallest edit's
_OURS = "this project"
_EDIT = ("edited", "source", "target", "edit_mask")
_RATIO = "r = mean|edited - target| / mean|source - target| over the edit mask"
_SEEN = "differs from codec(source) by more than .05 (mean over RGB)"
_NOOP = f"where nothing should change, 1 where at most .004 of the picture {_SEEN}"
_success_metric = partial(
    metric, direction="higher", low=0, high=1, source=_OURS, reads=(*_EDIT, "source_codec")
)


@metric(
    "edit/ratio",
    direction="lower",
    low=0,
    high=None,
    description=f"{_RATIO}: 0 is the target, 1 as far from it as the source; not defined where nothing should change",
    source=_OURS,
    reads=_EDIT,
)
def edit_ratio(
    edited_B3HW: Tensor, source_B3HW: Tensor, target_B3HW: Tensor, edit_mask_BHW: Tensor
) -> Tensor:
    """Return r [B] = mean|edited - target| / mean|source - target| over the edit mask.

    0 is the target itself, 1 is as far from it as the source, above 1 is further. NaN where the mask is
    empty or source and target agree inside it: there is no distance to measure in.
    """
    distance_B = l1(source_B3HW, target_B3HW, edit_mask_BHW)
    return torch.where(distance_B > 0, l1(edited_B3HW, target_B3HW, edit_mask_BHW) / distance_B, torch.nan)


@_success_metric(
    "edit/success",
    description=f"1 where r <= .5, else 0, with {_RATIO}; {_NOOP}",
)
def edit_success(
    edited_B3HW: Tensor,
    source_B3HW: Tensor,
    target_B3HW: Tensor,
    edit_mask_BHW: Tensor,
    source_codec_B3HW: Tensor | None = None,
    ratio: float = SUCCESS_RATIO,
) -> Tensor:
    """Return 1.0 or 0.0 [B]: whether the edit came the fraction ``1 - ratio`` of the way to the target.

    Where nothing should change (source and target are equal everywhere, a "noop") it is whether at most
    ``UNTOUCHED`` of the picture differs visibly from ``source_codec``, the codec's round trip of the source: the
    codec's own loss is not an edit. A mean over the picture would not do: to remove a whole object moves it by less
    than .02. ``ratio`` plays no part there, so success and strict success agree on noops. NaN where neither rule
    applies: a noop without ``source_codec``, or a pair that differs outside the mask only.
    """
    ratio_B = edit_ratio(edited_B3HW, source_B3HW, target_B3HW, edit_mask_BHW)
    success_B = _verdict(ratio_B, ratio)
    if source_codec_B3HW is None:
        return success_B
    noop_B = (source_B3HW == target_B3HW).flatten(1).all(dim=1)
    changed_B = _changed(edited_B3HW, source_codec_B3HW).flatten(1).float().mean(dim=1)
    return torch.where(noop_B, _verdict(changed_B, UNTOUCHED), success_B)


@_success_metric(
    "edit/success_strict",
    description=f"1 where r <= .25, else 0, with {_RATIO}; {_NOOP}",
)
def edit_success_strict(
    edited_B3HW: Tensor,
    source_B3HW: Tensor,
    target_B3HW: Tensor,
    edit_mask_BHW: Tensor,
    source_codec_B3HW: Tensor | None = None,
) -> Tensor:
    """Return :func:`edit_success` [B] at the strict ratio of 0.25."""
    return edit_success(edited_B3HW, source_B3HW, target_B3HW, edit_mask_BHW, source_codec_B3HW, STRICT_RATIO)


@metric(
    "outside_codec/changed",
    direction="lower",
    low=0,
    high=1,
    description=f"share of the picture that lies outside the edit mask and {_SEEN}; not defined where the mask is full",
    source=_OURS,
    reads=("edited", "source_codec", "edit_mask"),
)
def changed_outside(edited_B3HW: Tensor, source_codec_B3HW: Tensor, edit_mask_BHW: Tensor) -> Tensor:
    """Return the share [B] of the picture that lies outside the edit mask and differs visibly from the codec's round trip.

    In [0, 1]; of the picture and not of its outside, so that ``UNTOUCHED`` is the same area for every edit. NaN where
    nothing lies outside.
    """
    changed_BHW = _changed(edited_B3HW, source_codec_B3HW) & ~edit_mask_BHW
    full_B = edit_mask_BHW.flatten(1).all(dim=1)
    return torch.where(full_B, torch.nan, changed_BHW.flatten(1).float().mean(dim=1))


def _changed(a_B3HW: Tensor, b_B3HW: Tensor) -> Tensor:
    return (a_B3HW - b_B3HW).abs().mean(dim=1) > VISIBLE


def _verdict(values_B: Tensor, limit: float) -> Tensor:
    return torch.where(values_B.isnan(), torch.nan, (values_B <= limit).to(values_B.dtype))
