"""Hold a given share of the codes, those that score lowest."""

import torch
from torch import Tensor


def held(scores_BHW: Tensor, hold_quantile: float) -> Tensor:
    """Of equal scores the first in reading order is held first, so that the share is met whatever the map."""
    order_BN = scores_BHW.flatten(1).argsort(dim=1, stable=True)
    count = round(hold_quantile * order_BN.shape[1])
    held_BN = torch.zeros_like(order_BN, dtype=torch.bool).scatter(1, order_BN[:, :count], True)
    return held_BN.view_as(scores_BHW)
