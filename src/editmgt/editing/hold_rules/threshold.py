"""Hold what scores under a threshold, lambda: the published rule."""

from torch import Tensor


def held(scores_BHW: Tensor, hold_threshold: float) -> Tensor:
    """At 0 nothing is held, although resized scores may fall under 0."""
    if not hold_threshold > 0:
        return scores_BHW.new_zeros(scores_BHW.shape).bool()
    return scores_BHW < hold_threshold
