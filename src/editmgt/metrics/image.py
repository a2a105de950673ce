"""Distances between two pictures over a region, one value per sample.

Shapes: B batch, 3 RGB, H W pixels. Pictures are floats in [0, 1], regions are bool with True where counted.
Every mean is over the region's own pixels (area-normalised), so regions of different size compare. A value
that does not exist (empty region, infinite PSNR) is NaN: "not defined", to be counted and left out, never
0.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_WINDOW = 5  # pixels that SSIM's Gaussian window reaches to each side (Wang et al. 2004: 11x11, sigma 1.5)
_SIGMA = 1.5
_C1, _C2 = 0.01**2, 0.03**2


def region_mean(values_B3HW: Tensor, region_BHW: Tensor | None = None) -> Tensor:
    """Return the mean [B] over channels and the region's pixels (None: all of them); NaN when empty."""
    per_pixel_BHW = values_B3HW.mean(dim=1)
    if region_BHW is None:
        return per_pixel_BHW.flatten(1).mean(dim=1)
    if region_BHW.shape != per_pixel_BHW.shape:  # broadcasting would make a wrong number of it
        raise ValueError(
            f"region {tuple(region_BHW.shape)} does not fit pictures {tuple(per_pixel_BHW.shape)}"
        )
    weights_BHW = region_BHW.to(per_pixel_BHW.dtype)
    # 0/0 is NaN
    return (per_pixel_BHW * weights_BHW).flatten(1).sum(dim=1) / weights_BHW.flatten(1).sum(dim=1)


def l1(edited_B3HW: Tensor, reference_B3HW: Tensor, region_BHW: Tensor | None = None) -> Tensor:
    """Return the mean absolute difference [B], in [0, 1]; NaN where the region is empty.

    MagicBrush's L1 (``evaluation/image_eval.py``) when the region is the whole picture.
    """
    return region_mean((edited_B3HW - reference_B3HW).abs(), region_BHW)


def l2(edited_B3HW: Tensor, reference_B3HW: Tensor, region_BHW: Tensor | None = None) -> Tensor:
    """Return the mean squared difference [B], in [0, 1]; NaN where the region is empty.

    MagicBrush's L2 and PIE-Bench's MSE: no root is taken.
    """
    return region_mean((edited_B3HW - reference_B3HW).square(), region_BHW)


def psnr(edited_B3HW: Tensor, reference_B3HW: Tensor, region_BHW: Tensor | None = None) -> Tensor:
    """Return the peak signal-to-noise ratio [B] in dB for a peak of 1; NaN where it is not defined.

    Not defined where the region is empty, and where the region is identical: the ratio is then infinite,
    and any finite cap would be an invented number that moves the mean. The mean over samples therefore
    leaves out perfect regions: read it beside its undefined count, and compare methods that make many of
    them by L1.
    """
    error_B = l2(edited_B3HW, reference_B3HW, region_BHW)
    return torch.where(error_B > 0, -10 * torch.log10(error_B), torch.nan)


def ssim(edited_B3HW: Tensor, reference_B3HW: Tensor, region_BHW: Tensor | None = None) -> Tensor:
    """Return the structural similarity [B] in [-1, 1]: the SSIM map averaged over the region.

    Wang et al. 2004 with their Gaussian window, per channel, pictures mirrored at their border. The map is
    of the whole pictures, so a value at the region's rim also sees up to 5 pixels beyond it. NaN where the
    region is empty or a side of the picture is under 6 pixels.
    """
    if min(edited_B3HW.shape[-2:]) <= _WINDOW:
        return edited_B3HW.new_full((len(edited_B3HW),), torch.nan)
    return region_mean(ssim_map(edited_B3HW, reference_B3HW), region_BHW).to(edited_B3HW.dtype)


def ssim_inner(edited_B3HW: Tensor, reference_B3HW: Tensor) -> Tensor:
    """Return the structural similarity [B] in [-1, 1] without the border that the window does not fit into.

    As scikit-image, and torchmetrics up to 1.4.1, average: 5 pixels on each side are left out. NaN where that leaves
    none.
    """
    if min(edited_B3HW.shape[-2:]) <= 2 * _WINDOW:
        return edited_B3HW.new_full((len(edited_B3HW),), torch.nan)
    inner_B3HW = ssim_map(edited_B3HW, reference_B3HW)[..., _WINDOW:-_WINDOW, _WINDOW:-_WINDOW]
    return region_mean(inner_B3HW).to(edited_B3HW.dtype)


def blackened(pixels_B3HW: Tensor, region_BHW: Tensor) -> Tensor:
    """Return the pictures with all pixels outside the region black."""
    return pixels_B3HW * region_BHW[:, None]


def all_pixels(distance: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return ``distance`` as PIE-Bench takes it over a region: both pictures black elsewhere, then whole.

    It divides by all pixels, so a value depends on the region's area: only compare it with published ones.
    The result is called with pictures, pictures, a region, and what else ``distance`` takes by name.
    """

    def over_all(edited_B3HW: Tensor, reference_B3HW: Tensor, region_BHW: Tensor, **more: Any) -> Tensor:
        values_B = distance(blackened(edited_B3HW, region_BHW), blackened(reference_B3HW, region_BHW), **more)
        return torch.where(region_BHW.flatten(1).any(dim=1), values_B, torch.nan)

    return over_all


def ssim_map(edited_B3HW: Tensor, reference_B3HW: Tensor) -> Tensor:
    """Return the SSIM map [B,3,H,W].

    Not torchmetrics' map: its float32 variances cancel on flat surfaces (off by 5e-5, two equal pictures at
    0.9999). Here they are float64 where the device has it, and the blur is two products with banded matrices,
    faster than a depth-wise convolution up to some 512 pixels a side.
    """
    dtype = torch.float32 if edited_B3HW.device.type == "mps" else torch.float64
    x_B3HW, y_B3HW = edited_B3HW.to(dtype), reference_B3HW.to(dtype)
    moments = torch.stack([x_B3HW, y_B3HW, x_B3HW**2, y_B3HW**2, x_B3HW * y_B3HW])
    rows_HH, columns_WW = (_blur_matrix(moments, side) for side in moments.shape[-2:])
    x, y, xx, yy, xy = rows_HH @ moments @ columns_WW.T
    luminance = (2 * x * y + _C1) / (x * x + y * y + _C1)
    contrast_structure = (2 * (xy - x * y) + _C2) / (xx - x * x + yy - y * y + _C2)
    return luminance * contrast_structure


def _blur_matrix(like: Tensor, side: int) -> Tensor:
    """Return the matrix [side,side] that blurs a mirrored line of ``side`` pixels with SSIM's window."""
    offsets = torch.arange(-_WINDOW, _WINDOW + 1, device=like.device)
    weights = torch.exp(-(offsets.to(like.dtype) ** 2) / (2 * _SIGMA**2))
    taken = (torch.arange(side, device=like.device)[:, None] + offsets).abs()
    taken = torch.where(taken >= side, 2 * (side - 1) - taken, taken)
    matrix = like.new_zeros(side, side)
    return matrix.scatter_add_(1, taken, (weights / weights.sum()).expand(side, -1))
