"""Does the map point at what has to change: the map as a classifier of the edit mask's pixels.

Shapes: B batch, h w the map's own grid, H W pixels, N = H * W. Masks are bool with True where an edit may
change something. NaN is "not defined", as everything is of a map that is not finite.
"""

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from editmgt.editing.hold import scores_at_codes
from editmgt.metrics.registry import metric

share_metric = partial(metric, low=0, high=1)


@share_metric(
    "localization/auc",
    direction="higher",
    description="area under the ROC curve of the editor's map (of model.localization.source) against the edit mask, at pixels; "
    "not defined where the mask is empty or full",
    source="Mann-Whitney U over its maximum",
    reads=("localization", "edit_mask"),
)
def localization_auc(localization_Bhw: Tensor, edit_mask_BHW: Tensor) -> Tensor:
    """Return the area under the ROC curve [B] in [0, 1], 0.5 for a map that knows nothing.

    It is the probability that a pixel of the mask scores above one outside it, ties counting half (the
    Mann-Whitney U by average ranks), so it needs no threshold. NaN where the mask is empty or full.
    """
    scores_BN, truth_BN = _pixels(localization_Bhw, edit_mask_BHW)
    sorted_BN = scores_BN.sort(dim=1).values
    below_BN = torch.searchsorted(sorted_BN, scores_BN)
    up_to_BN = torch.searchsorted(sorted_BN, scores_BN, right=True)
    # Twice the average rank is a whole number: the sums stay exact, without float64 (which MPS lacks).
    twice_rank_sum_B = ((below_BN + up_to_BN + 1) * truth_BN).sum(dim=1)
    inside_B, outside_B = truth_BN.sum(dim=1), (~truth_BN).sum(dim=1)
    twice_wins_B = twice_rank_sum_B - inside_B * (inside_B + 1)
    auc_B = twice_wins_B / (2 * inside_B * outside_B)  # 0/0 is NaN
    return torch.where(_finite(scores_BN), auc_B, torch.nan)


@share_metric(
    "localization/iou",
    direction="higher",
    description="intersection over union of the edit mask and the pixels whose score is at least the hold threshold; "
    "not defined where the mask is empty, or under a hold rule without a threshold",
    source="Jaccard index",
    reads=("localization", "edit_mask", "hold_threshold"),
)
def localization_iou(localization_Bhw: Tensor, edit_mask_BHW: Tensor, threshold: float) -> Tensor:
    """Return intersection over union [B] in [0, 1] of the mask and the pixels scoring >= ``threshold``.

    With the hold threshold this is the region that hold leaves free, as the map averaged over steps tells
    it (hold itself decides at each step by that step's map). NaN where the mask is empty.
    """
    scores_BN, truth_BN = _pixels(localization_Bhw, edit_mask_BHW)
    free_BN = scores_BN >= threshold
    iou_B = (free_BN & truth_BN).sum(dim=1) / (free_BN | truth_BN).sum(dim=1)
    return torch.where(truth_BN.any(dim=1) & _finite(scores_BN), iou_B, torch.nan)


@share_metric(
    "localization/iou_best",
    direction="higher",
    description="localization/iou at the threshold that suits each sample best, by its truth: an upper bound; "
    "not defined where the mask is empty or full",
    source="Jaccard index",
    reads=("localization", "edit_mask"),
)
def localization_iou_best(localization_Bhw: Tensor, edit_mask_BHW: Tensor) -> Tensor:
    """Return the largest :func:`localization_iou` [B] over all thresholds, chosen by the sample's truth.

    An upper bound for any choice of threshold, not a result to be had. NaN where the mask is empty or full
    (on a full mask every map reaches 1).
    """
    scores_BN, truth_BN = _pixels(localization_Bhw, edit_mask_BHW)
    sorted_BN, order_BN = scores_BN.sort(dim=1, descending=True)
    hits_BN = truth_BN.gather(1, order_BN).cumsum(dim=1)
    chosen_N = torch.arange(1, scores_BN.shape[1] + 1, device=scores_BN.device)
    iou_BN = hits_BN / (chosen_N + truth_BN.sum(dim=1, keepdim=True) - hits_BN)
    # A threshold takes equal scores together: only the last of a run of ties is a cut that exists.
    tied_BN = F.pad(sorted_BN[:, :-1] == sorted_BN[:, 1:], (0, 1), value=False)
    best_B = iou_BN.masked_fill(tied_BN, 0).amax(dim=1)
    return torch.where(_mixed(truth_BN) & _finite(scores_BN), best_B, torch.nan)


def pointing_game(localization_Bhw: Tensor, edit_mask_BHW: Tensor) -> Tensor:
    """Return whether the map's highest pixel lies in the mask [B], 0 or 1; of equal highest ones their share.

    NaN where the mask is empty or full. Source: Zhang et al. 2018, without their margin of 15 pixels.
    """
    scores_BN, truth_BN = _pixels(localization_Bhw, edit_mask_BHW)
    highest_BN = scores_BN == scores_BN.amax(dim=1, keepdim=True)
    share_B = (highest_BN & truth_BN).sum(dim=1) / highest_BN.sum(dim=1)
    return torch.where(_mixed(truth_BN) & _finite(scores_BN), share_B, torch.nan)


def reliability(localization_Bhw: Tensor, edit_mask_BHW: Tensor, bins: int = 10) -> Tensor:
    """Return, by bin of scores over [0, 1], sums over pixels to draw a reliability curve from, [3,bins].

    The scores, the pixels in the mask, and the pixels: mean score against share in the mask is the curve, and a
    calibrated map lies on the diagonal. Batches add up. Scores that resizing brought out of range count as 0 or
    1, and maps that are not finite do not count. Float64, on the CPU.
    """
    scores_BN, truth_BN = (values.cpu().double() for values in _pixels(localization_Bhw, edit_mask_BHW))
    finite_B = _finite(scores_BN)
    scores_BN, truth_BN = scores_BN[finite_B], truth_BN[finite_B]
    scores_N = scores_BN.flatten().clamp(0, 1)
    index_N = (scores_N * bins).long().clamp(max=bins - 1)
    values_3N = torch.stack([scores_N, truth_BN.flatten(), torch.ones_like(scores_N)])
    return torch.zeros(3, bins, dtype=torch.float64).index_add_(1, index_N, values_3N)


@share_metric(
    "localization/held",
    direction="neither",
    description="fraction of tokens that region hold decided: near 1, nothing could change; 0 with hold off",
    source="this project",
    reads=("held",),
)
def held_fraction(held_BHW: Tensor) -> Tensor:
    """Return the fraction of tokens [B] in [0, 1] that region hold decided; 0 where hold is off."""
    return held_BHW.float().flatten(1).mean(dim=1)


def _pixels(localization_Bhw: Tensor, edit_mask_BHW: Tensor) -> tuple[Tensor, Tensor]:
    """Return scores and truth, both [B,N], with the map brought to the mask's grid as region hold brings it to the codes."""
    height, width = edit_mask_BHW.shape[1:]
    return scores_at_codes(localization_Bhw.float(), height, width).flatten(1), edit_mask_BHW.flatten(1)


def _finite(scores_BN: Tensor) -> Tensor:
    return scores_BN.isfinite().all(dim=1)


def _mixed(truth_BN: Tensor) -> Tensor:
    return truth_BN.any(dim=1) & ~truth_BN.all(dim=1)
