"""Filters of maps, each map alone, by sums of shifted windows: borders are reflected, and no product may run in TF32.

Shapes: B maps, h w their grid.
"""

from math import exp

import torch
from torch import Tensor

REACH = 4.0  # standard deviations at which a Gaussian is cut off
SHARPNESS = 0.7  # how much of the raw map shows where it varies most, and at its peaks
EPSILON = 1e-8


def rescale(maps_Bhw: Tensor) -> Tensor:
    """Stretch each map to [0, 1]; a flat one becomes 0."""
    low, high = _range(maps_Bhw)
    return (maps_Bhw - low) / (high - low + EPSILON)


def restore(raw_Bhw: Tensor, smoothed_Bhw: Tensor) -> Tensor:
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


def gaussian(maps_Bhw: Tensor, sigma: float) -> Tensor:
    """Gaussian filter with reflected borders, the same as scipy's ``gaussian_filter(mode="reflect")``.

    Weighted sums instead of a convolution or a matrix product: those may run in TF32, and a few thousandths
    decide which tokens are held.
    """
    radius = int(REACH * sigma + 0.5)
    curve = [exp(-0.5 * (offset / sigma) ** 2) for offset in range(-radius, radius + 1)]
    weights = torch.tensor(curve, dtype=torch.float32)
    weights = (weights / weights.sum()).to(maps_Bhw)
    rows = (_windows(maps_Bhw, radius, dim=1) * weights[:, None]).sum(dim=2)
    return (_windows(rows, radius, dim=2) * weights).sum(dim=3)


def local_variance(maps_Bhw: Tensor, radius: int) -> Tensor:
    """Population variance in windows of 2 * radius + 1 around every cell, borders reflected."""
    rows = _windows(maps_Bhw, radius, dim=1)
    return _windows(rows, radius, dim=3).var(dim=(2, 4), correction=0)


def _windows(maps: Tensor, radius: int, dim: int) -> Tensor:
    """Replace ``dim`` by (size, 2*radius+1): every cell's neighbours along it, reflected at the borders.

    The reflection repeats the border cell (d c b a | a b c d | d c b a) as often as a small map needs.
    """
    size = maps.shape[dim]
    offsets = torch.arange(-radius, radius + 1, device=maps.device)
    index = (torch.arange(size, device=maps.device)[:, None] + offsets) % (2 * size)
    index = torch.minimum(index, 2 * size - 1 - index)
    return maps.index_select(dim, index.flatten()).unflatten(dim, index.shape)
