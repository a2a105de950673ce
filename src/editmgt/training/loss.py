"""The training loss, a pure function."""

from torch import Tensor
from torch.nn import functional as F


def masked_cross_entropy(
    logits_BVHW: Tensor, codes_BHW: Tensor, mask_BHW: Tensor, denominator: float
) -> Tensor:
    """Cross-entropy summed over hidden tokens, divided by ``denominator`` (how many the step hides in all).

    The denominator is the caller's, so that processes of one step weigh every hidden token alike.
    """
    logits_MV = logits_BVHW.permute(0, 2, 3, 1)[mask_BHW].float()
    return F.cross_entropy(logits_MV, codes_BHW[mask_BHW], reduction="sum") / denominator
