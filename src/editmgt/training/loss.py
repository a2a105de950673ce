"""The training loss, a pure function."""

from torch import Tensor
from torch.nn import functional as F


def masked_cross_entropy(logits_MV: Tensor, wanted: Tensor, denominator: float) -> Tensor:
    """Cross-entropy summed over the hidden tokens, divided by ``denominator`` (how many the step hides in all).

    ``wanted`` are their codes [M], or the probabilities [M,V] that a teacher gives every code.
    The denominator is the caller's, so that processes of one step weigh every hidden token alike.
    """
    return F.cross_entropy(logits_MV.float(), wanted, reduction="sum") / denominator
