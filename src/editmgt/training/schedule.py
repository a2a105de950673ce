"""The learning rate over a run: a linear warm-up, a plateau, a linear decay to zero."""

from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def warmup_then_decay(
    optimizer: Optimizer, warmup_steps: int, total_steps: int, decay_fraction: float = 1.0
) -> dict[str, Any]:
    """Lightning's optimiser dictionary.

    Args:
        optimizer: its own learning rate is the plateau.
        warmup_steps: steps from zero to the plateau.
        total_steps: the whole run, counted in optimiser steps.
        decay_fraction: the last part of the run, in [0, 1], over which the rate falls to zero; 0 keeps it constant.
    """
    decay_steps = max(1, round(total_steps * decay_fraction))

    def factor(step: int) -> float:
        warm = min(1.0, (step + 1) / max(1, warmup_steps))
        if decay_fraction == 0:
            return warm
        return min(warm, max(0.0, (total_steps - step) / decay_steps))

    return {
        "optimizer": optimizer,
        "lr_scheduler": {"scheduler": LambdaLR(optimizer, factor), "interval": "step"},
    }
