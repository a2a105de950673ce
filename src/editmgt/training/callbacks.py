"""The Lightning callbacks that a configuration names."""

from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging
from lightning.pytorch.utilities import rank_zero_only

from editmgt.config.targets import CALLBACKS, class_and_arguments
from editmgt.training.named import argument_problems


def chosen_callbacks(nodes: dict[str, Any] | None) -> list[Callback]:
    """Return the callbacks of ``conf/callbacks``, in their order, and what looks after a running mean of weights."""
    named = [class_and_arguments(node, CALLBACKS) for node in (nodes or {}).values()]
    made = [callback(**arguments) for callback, arguments in named]
    return [*(_Begun(callback) for callback in made if isinstance(callback, EMAWeightAveraging)), *made]


class _Begun(Callback):
    """Keeps the trained weights of a training that a clock, or early stopping, ended before two were averaged.

    Lightning would put the first ones in their place, or those that it started from.
    """

    def __init__(self, averaging: EMAWeightAveraging) -> None:
        self.averaging = averaging

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin the mean now: the first is a copy."""
        mean = self.averaging._average_model
        assert mean is not None
        if mean.n_averaged < 2 and self.averaging._latest_update_step < trainer.global_step:
            mean.n_averaged.zero_()
            mean.update_parameters(pl_module)
            rank_zero_only(print)(
                f"The training ended at step {trainer.global_step}, before its running mean of weights: these are kept."
            )


def callback_problems(nodes: dict[str, Any] | None) -> list[str]:
    """Return a line for every argument of a callback that its class does not have or refuses."""
    found = []
    for name, node in (nodes or {}).items():
        callback, arguments = class_and_arguments(node, CALLBACKS)
        found += argument_problems(f"callbacks.{name}", callback, arguments, callback)
    return found
