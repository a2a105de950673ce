"""Where the instruction looks: text-to-image attention, averaged over layers and smoothed (EditMGT).

Every function takes a batch of maps of any grid size, works on their device, and treats each map alone.
Shapes: L layers, B batch, T text tokens, N cells, h w grid of cells (N = h*w).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from editmgt.editing.filters import rescale
from editmgt.editing.smoothings import smooth


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
