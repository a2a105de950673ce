"""Hold the lower of the two classes that a map's scores fall into (Otsu 1979): a threshold that chooses itself."""

import torch
from torch import Tensor


def held(scores_BHW: Tensor) -> Tensor:
    """The threshold is the score that parts a map's codes into two classes with the least variance within them.

    Every score is tried, so the result is that of a histogram as fine as the map itself. A flat map has one class: nothing
    is held.
    """
    sorted_BN = scores_BHW.flatten(1).sort(dim=1).values
    length = sorted_BN.shape[1]
    if length < 2:
        return scores_BHW.new_zeros(scores_BHW.shape).bool()
    below_N = torch.arange(1, length, device=sorted_BN.device)
    # around the mean, for float32 loses the small differences of large sums
    sums_BN = (sorted_BN - sorted_BN.mean(dim=1, keepdim=True)).cumsum(dim=1)
    low_BN = sums_BN[:, :-1] / below_N
    high_BN = (sums_BN[:, -1:] - sums_BN[:, :-1]) / (length - below_N)
    between_BN = below_N * (length - below_N) * (high_BN - low_BN) ** 2
    # equal scores are of one class
    between_BN = between_BN.masked_fill(sorted_BN[:, :-1] == sorted_BN[:, 1:], -1)
    best_B = between_BN.argmax(dim=1, keepdim=True)
    divided_B = between_BN.gather(1, best_B) > 0
    return ((scores_BHW.flatten(1) <= sorted_BN.gather(1, best_B)) & divided_B).view_as(scores_BHW)
