"""The learning rate over a run: a linear warm-up, a plateau, a linear decay to zero."""

from collections.abc import Callable
from math import isinf
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


class _Schedule(LambdaLR):
    """A schedule that goes on from a checkpoint by what is configured now, not by what was then."""

    def __init__(self, optimizer: Optimizer, factor: Callable[[int], float]) -> None:
        super().__init__(optimizer, factor)
        self._factor = factor
        self._configured = [
            {name: value for name, value in group.items() if name != "params"}
            for group in optimizer.param_groups
        ]

    def state_dict(self) -> dict[str, Any]:
        """Of a checkpoint the steps made count; the rest follows from the configuration."""
        return {"last_epoch": self.last_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the count, and set the rates that it has under this schedule.

        The optimiser, restored before, has brought its rates, decays and the like with its averages.
        """
        self.last_epoch = state_dict["last_epoch"]
        for group, configured in zip(self.optimizer.param_groups, self._configured, strict=True):
            group.update(configured, lr=configured["initial_lr"] * self._factor(self.last_epoch))
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]


def warmup_then_decay(
    optimizer: Optimizer, warmup_steps: int, total_steps: float, decay_fraction: float = 1.0
) -> dict[str, Any]:
    """Lightning's optimiser dictionary.

    Args:
        optimizer: its own learning rate is the plateau.
        warmup_steps: steps from zero to the plateau.
        total_steps: the whole run, counted in optimiser steps; where only a clock ends it, infinite.
        decay_fraction: the last part of the run, in [0, 1], over which the rate falls to zero; 0 keeps it constant, and
            so does a run without a known end.
    """
    if isinf(total_steps):
        decay_fraction, total_steps = 0.0, 1
    decay_steps = max(1, round(total_steps * decay_fraction))

    def factor(step: int) -> float:
        warm = min(1.0, (step + 1) / max(1, warmup_steps))
        if decay_fraction == 0:
            return warm
        return min(warm, max(0.0, (total_steps - step) / decay_steps))

    return {
        "optimizer": optimizer,
        "lr_scheduler": {"scheduler": _Schedule(optimizer, factor), "interval": "step"},
    }
