"""Region hold: tokens that the instruction does not look at keep the code of the image to edit.

Shapes: B batch, h w cells, H W codes.
"""

import torch.nn.functional as F
from torch import Tensor


def scores_at_codes(scores_Bhw: Tensor, height: int, width: int) -> Tensor:
    """Bring scores from cells to codes, bicubic as published; a grid that fits is returned as it is."""
    if scores_Bhw.shape[-2:] == (height, width):
        return scores_Bhw
    resized = F.interpolate(scores_Bhw[:, None], size=(height, width), mode="bicubic", align_corners=False)
    return resized[:, 0]


def held_tokens(scores_BHW: Tensor, unknown_BHW: Tensor, threshold: float) -> Tensor:
    """Tell which unknown tokens take the reference's code this step.

    A threshold of 0 holds nothing, although bicubic scores may fall under 0.
    """
    return (
        unknown_BHW & (scores_BHW < threshold) if threshold > 0 else unknown_BHW.new_zeros(unknown_BHW.shape)
    )
