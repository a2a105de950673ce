"""Which tokens a training step hides, whose condition it drops, and the loss: pure functions.

Shapes: B samples, H W code grid, L tokens a sample, T text tokens.
"""

from math import pi

import torch
from torch import Tensor
from torch.nn import functional as F


def draw_masks(generator: torch.Generator, batch: int, length: int) -> tuple[Tensor, Tensor]:
    """Draw a mask per sample with ratio cos(pi/2 u), u uniform: density 2/pi (1 - r^2)^-1/2 (MaskGIT; method.md).

    Returns bool masks [B, L], at least one token hidden each, and the ratio [B] of hidden tokens.
    """
    ratio_B = torch.cos(torch.rand(batch, generator=generator, dtype=torch.float32) * pi / 2)
    hidden_B = (ratio_B * length).round().clamp(1, length)
    rank_BL = (
        torch.rand(batch, length, generator=generator, dtype=torch.float32).argsort(dim=1).argsort(dim=1)
    )
    return rank_BL < hidden_B[:, None], hidden_B / length


def masks_of(samples_B: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Draw each sample's own mask (see :func:`draw_masks`): it depends on the sample's number, and on nothing beside it."""
    drawn = [
        draw_masks(torch.Generator().manual_seed(sample), batch=1, length=length)
        for sample in samples_B.tolist()
    ]
    masks, ratios = zip(*drawn, strict=True)
    return torch.cat(masks), torch.cat(ratios)


def hide_whole(mask_BL: Tensor, hide_B: Tensor) -> tuple[Tensor, Tensor]:
    """Hide all tokens of the samples in ``hide_B``; returns the masks and the ratio [B] hidden.

    Sampling begins there, and there alone nothing shows where the edit belongs: the place has to be learnt from the
    instruction and the source. Anywhere else the shape of what is still hidden gives it away.
    """
    mask_BL = mask_BL | hide_B[:, None]
    return mask_BL, mask_BL.float().mean(1)


def hide_edits(mask_BHW: Tensor, changed_BHW: Tensor, hide_B: Tensor) -> tuple[Tensor, Tensor]:
    """Hide every changed token of the samples in ``hide_B`` as well; returns the masks and the ratio [B] hidden.

    Sampling commits first what it is sure of, the unchanged part. So it meets an edited region with all of it hidden,
    which masks at random almost never show: there, a few visible tokens tell what the instruction says.
    """
    mask_BHW = mask_BHW | (changed_BHW & hide_B.view(-1, 1, 1))
    return mask_BHW, mask_BHW.float().mean((1, 2))


def draw_drops(generator: torch.Generator, batch: int, probability: float) -> Tensor:
    """Draw for each sample [B] whether its condition is dropped; True with ``probability``."""
    return torch.rand(batch, generator=generator, dtype=torch.float32) < probability


def drop_conditions(input_ids_BT: Tensor, drop_B: Tensor, empty_T: Tensor) -> Tensor:
    """Replace the texts of dropped samples by the empty text, which guidance uses at inference."""
    return torch.where(drop_B[:, None], empty_T, input_ids_BT)


def masked_cross_entropy(logits_MV: Tensor, wanted: Tensor, denominator: float) -> Tensor:
    """Cross-entropy summed over the hidden tokens, divided by ``denominator`` (how many the step hides in all).

    ``wanted`` are their codes [M], or the probabilities [M,V] that a teacher gives every code.
    The denominator is the caller's, so that processes of one step weigh every hidden token alike.
    """
    return F.cross_entropy(logits_MV.float(), wanted, reduction="sum") / denominator
