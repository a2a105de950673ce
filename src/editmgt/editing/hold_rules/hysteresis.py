"""Hold what scores under a threshold, and every region above it that nowhere reaches a peak (Canny 1986): stray codes."""

import torch.nn.functional as F
from torch import Tensor


def held(scores_BHW: Tensor, hold_threshold: float, hold_peak: float) -> Tensor:
    """A region is what touches, diagonally too. At a threshold or a peak of 0 nothing is held, as in the other rules."""
    if not (hold_threshold > 0 and hold_peak > 0):
        return scores_BHW.new_zeros(scores_BHW.shape).bool()
    over_BHW = scores_BHW >= hold_threshold
    edited_BHW = over_BHW & (scores_BHW >= hold_peak)
    while True:  # grown from the peaks by one code at a time
        around_B1HW = F.max_pool2d(edited_BHW[:, None].float(), 3, stride=1, padding=1)
        grown_BHW = over_BHW & around_B1HW[:, 0].bool()
        if grown_BHW.equal(edited_BHW):
            return ~edited_BHW
        edited_BHW = grown_BHW
