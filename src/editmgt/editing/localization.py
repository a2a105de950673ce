"""Where the instruction looks: text-to-image attention, averaged over layers and smoothed (EditMGT).

Every function takes a batch of maps of any grid size, works on their device, and treats each map alone.
Shapes: L layers, B batch, T text tokens, N cells, h w grid of cells (N = h*w).
"""

from collections.abc import Mapping, Sequence
from math import exp

import torch
from torch import Tensor

from editmgt.editing.settings import SMOOTHINGS

ADAPTIVE_SIGMA = 1.5
GAUSSIAN_SIGMA = 2.0
REACH = 4.0  # standard deviations at which a Gaussian is cut off
VARIANCE_RADIUS = 2  # 5x5 windows
SHARPNESS = 0.7  # how much of the raw map shows where it varies most, and at its peaks
EPSILON = 1e-8


def localize(
    attention: Mapping[int, Tensor], layers: Sequence[int], grid: tuple[int, int], smoothing: str
) -> Tensor:
    """Return scores [B,h,w] in [0, 1] from attention maps {layer: [B,T,N]}: average, rescale, smooth."""
    return smooth(rescale(layer_maps(attention, layers, grid).mean(dim=0)), smoothing)


def layer_maps(attention: Mapping[int, Tensor], layers: Sequence[int], grid: tuple[int, int]) -> Tensor:
    """Average each layer's map {layer: [B,T,N]} over text rows, padding rows included: [L,B,h,w]."""
    return torch.stack([attention[layer].float().mean(dim=1).unflatten(-1, grid) for layer in layers])


def of_rows(attention: Mapping[int, Tensor], rows_BT: Tensor) -> dict[int, Tensor]:
    """Weigh maps {layer: [B,T,N]} so that their mean over text rows is the mean over ``rows`` (bool) alone."""
    weights_BT = rows_BT / rows_BT.float().mean(dim=1, keepdim=True)
    return {layer: map_BTN.float() * weights_BT[..., None] for layer, map_BTN in attention.items()}


def score_maps(layer_maps_BSLhw: Tensor, smoothing: str) -> Tensor:
    """Return an edit's scores [B,h,w] in [0, 1] from the raw maps that were recorded with it (S steps).

    The given layers are averaged; each step is rescaled and smoothed; the result is the mean over steps: what
    ``EditResult.localization`` is for the edit's own layers, and would have been for any others. It says
    nothing of the picture those others would have made where region hold is on.
    """
    steps = layer_maps_BSLhw.shape[1]
    scores_Bhw = torch.zeros_like(layer_maps_BSLhw[:, 0, 0])
    for step in range(steps):
        raw_LBhw = layer_maps_BSLhw[:, step].transpose(0, 1).contiguous()
        scores_Bhw += smooth(rescale(raw_LBhw.mean(dim=0)), smoothing) / steps
    return scores_Bhw


def rescale(maps_Bhw: Tensor) -> Tensor:
    """Stretch each map to [0, 1]; a flat one becomes 0."""
    low, high = _range(maps_Bhw)
    return (maps_Bhw - low) / (high - low + EPSILON)


def smooth(maps_Bhw: Tensor, method: str) -> Tensor:
    """Smooth each map by one of ``SMOOTHINGS``; its peaks and its range stay nearly as they were."""
    if method == "none":
        return maps_Bhw
    if method == "gaussian":
        return _restore(maps_Bhw, _gaussian(maps_Bhw, GAUSSIAN_SIGMA))
    if method == "adaptive":
        # Smooth where the map is calm and keep it where it varies, as at the edge of an object.
        detail = SHARPNESS * rescale(_local_variance(maps_Bhw))
        blurred = _gaussian(maps_Bhw, ADAPTIVE_SIGMA)
        return _restore(maps_Bhw, (1 - detail) * blurred + detail * maps_Bhw)
    raise ValueError(f"smoothing '{method}' is not one of {', '.join(SMOOTHINGS)}")


def _restore(raw_Bhw: Tensor, smoothed_Bhw: Tensor) -> Tensor:
    """Pull the top tenth back to the raw values, then stretch the map to the raw range."""
    ordered = raw_Bhw.flatten(1).sort(dim=1).values
    # Above the 90th percentile, which interpolates: nothing lies between this value and the percentile.
    below_peaks = ordered[:, 9 * (ordered.shape[1] - 1) // 10, None, None]
    pulled = torch.lerp(smoothed_Bhw, raw_Bhw, SHARPNESS)
    smoothed_Bhw = torch.where(raw_Bhw > below_peaks, pulled, smoothed_Bhw)
    low, high = _range(smoothed_Bhw)
    raw_low, raw_high = _range(raw_Bhw)
    stretched = (smoothed_Bhw - low) / (high - low).clamp(min=torch.finfo(raw_Bhw.dtype).tiny)
    return torch.where(high > low, stretched * (raw_high - raw_low) + raw_low, smoothed_Bhw)


def _range(maps_Bhw: Tensor) -> tuple[Tensor, Tensor]:
    return maps_Bhw.amin(dim=(1, 2), keepdim=True), maps_Bhw.amax(dim=(1, 2), keepdim=True)


def _gaussian(maps_Bhw: Tensor, sigma: float) -> Tensor:
    """Gaussian filter with reflected borders, the same as scipy's ``gaussian_filter(mode="reflect")``.

    Weighted sums instead of a convolution or a matrix product: those may run in TF32, and a few thousandths
    decide which tokens are held.
    """
    radius = int(REACH * sigma + 0.5)
    weights = torch.tensor([exp(-0.5 * (offset / sigma) ** 2) for offset in range(-radius, radius + 1)])
    weights = (weights / weights.sum()).to(maps_Bhw)
    rows = (_windows(maps_Bhw, radius, dim=1) * weights[:, None]).sum(dim=2)
    return (_windows(rows, radius, dim=2) * weights).sum(dim=3)


def _local_variance(maps_Bhw: Tensor) -> Tensor:
    """Population variance in windows around every cell, borders reflected."""
    rows = _windows(maps_Bhw, VARIANCE_RADIUS, dim=1)
    return _windows(rows, VARIANCE_RADIUS, dim=3).var(dim=(2, 4), correction=0)


def _windows(maps: Tensor, radius: int, dim: int) -> Tensor:
    """Replace ``dim`` by (size, 2*radius+1): every cell's neighbours along it, reflected at the borders.

    The reflection repeats the border cell (d c b a | a b c d | d c b a) as often as a small map needs.
    """
    size = maps.shape[dim]
    offsets = torch.arange(-radius, radius + 1, device=maps.device)
    index = (torch.arange(size, device=maps.device)[:, None] + offsets) % (2 * size)
    index = torch.minimum(index, 2 * size - 1 - index)
    return maps.index_select(dim, index.flatten()).unflatten(dim, index.shape)
