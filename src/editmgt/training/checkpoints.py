"""Checkpoints of what learns: a frozen language model is ten gigabytes that ``init_from`` has already."""

from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback


class LearningWeightsOnly(Callback):
    """Leaves frozen parameters out of checkpoints; resuming takes them from where the training started."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Accept checkpoints that say nothing of them."""
        pl_module.strict_loading = False

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take the frozen parameters out."""
        for name, parameter in pl_module.named_parameters():
            if not parameter.requires_grad:
                checkpoint["state_dict"].pop(name, None)
