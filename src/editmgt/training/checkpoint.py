"""Checkpoints to go on from: written whole, and looked at before a training does."""

from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities import rank_zero_only

from editmgt.errors import UserError
from editmgt.files import replacing
from editmgt.settings.mistakes import show
from editmgt.training.learner import Learner


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint beside the one it replaces, and puts it in that one's place once it is on the disk.

    Lightning writes into the system's temporary folder and moves the file from there; on another file system that is
    a copy over the old checkpoint, which a full disk or a kill leaves without either.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Replace ``path`` by ``checkpoint``."""
        with replacing(path) as file:
            try:
                torch.save(checkpoint, file)
            except RuntimeError as error:  # torch's writer, of a disk that is full, or of Ctrl-C
                if isinstance(error.__context__, OSError | KeyboardInterrupt):
                    raise error.__context__ from None
                raise


_MATTERS = {
    "trainer.precision": "the training goes on in the latter",
    "datasets": "a stream may come in another order for the same seed from here on",
}


class MadeWith(Callback):
    """Keeps ``facts``, named as in ``_MATTERS``, in a checkpoint, and tells where who goes on from it has others."""

    def __init__(self, facts: dict[str, str]) -> None:
        self.facts = facts

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on with the first batch of a step: a checkpoint that Lightning wrote after a resume may be of the middle of one."""
        batches = checkpoint["global_step"] * trainer.accumulate_grad_batches
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        for part in ("total", "current"):
            progress[part] = dict.fromkeys(progress[part], batches)

    def state_dict(self) -> dict[str, str]:
        """What is kept."""
        return self.facts

    def load_state_dict(self, state_dict: dict[str, str]) -> None:
        """Compare."""
        for name, was in state_dict.items():
            if (now := self.facts.get(name, was)) != was:
                rank_zero_only(print)(
                    f"The checkpoint was made with {name} {was}, this is {now}: {_MATTERS[name]}."
                )


def read_shapes(path: Path) -> tuple[dict[str, tuple[int, ...]], list[dict[str, Any]]]:
    """Return the shapes of the weights in a training's checkpoint, and its optimiser's groups.

    Raises:
        UserError: for a file that is no whole checkpoint.
    """
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        shapes = {str(name): tuple(tensor.shape) for name, tensor in stored["state_dict"].items()}
        return shapes, [{**group} for group in stored["optimizer_states"][0]["param_groups"]]
    except Exception as error:  # a broken file makes torch and pickle raise a dozen kinds
        raise UserError(f"resume={path} cannot be read: it is no whole checkpoint of a training.") from error


def check_fits(path: Path, module: Learner) -> None:
    """Raise a ``UserError`` where the checkpoint is not one of a training of ``module``; what is frozen may be absent."""
    stored, groups = read_shapes(path)
    own = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    learns = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    wrong = [f"{name} {own[name]} is not there" for name in own if name in learns and name not in stored]
    wrong += [
        f"{name} {shape} should be {own.get(name, 'absent')}"
        for name, shape in stored.items()
        if own.get(name) != shape
    ]
    optimizer = module.make_optimizer(module.parameter_groups())
    stored_sizes, sizes = ([len(group["params"]) for group in of] for of in (groups, optimizer.param_groups))
    if stored_sizes != sizes:
        wrong.append(
            f"its optimiser has groups of {show(stored_sizes)} weights, which should be {show(sizes)}"
        )
    elif missing := sorted(optimizer.param_groups[0].keys() - groups[0].keys()):
        wrong.append(f"its optimiser was no {type(optimizer).__name__}: it has no {missing[0]}")
    if wrong:
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise UserError(f"resume={path} is the checkpoint of another training: {wrong[0]}{more}.")
