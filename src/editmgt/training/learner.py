"""The part of a LightningModule that is the same for whatever learns: its optimiser, and the learning rate over a run."""

from typing import Any

from lightning import LightningModule

from editmgt.training.optimizers import MakeOptimizer
from editmgt.training.schedule import warmup_then_decay


class Learner(LightningModule):
    """Learns by one optimiser, whose rate warms up and in the last ``decay_fraction`` of the run falls to zero."""

    def __init__(self, optimizer: MakeOptimizer, warmup_steps: int, decay_fraction: float = 1.0) -> None:
        super().__init__()
        self.make_optimizer = optimizer
        self.warmup_steps, self.decay_fraction = warmup_steps, decay_fraction

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What learns, as the groups of an optimiser: one."""
        return [{"params": [parameter for parameter in self.parameters() if parameter.requires_grad]}]

    def configure_optimizers(self) -> Any:
        """The optimiser and its schedule."""
        optimizer = self.make_optimizer(self.parameter_groups())
        total = self.trainer.estimated_stepping_batches
        return warmup_then_decay(optimizer, self.warmup_steps, total, self.decay_fraction)
