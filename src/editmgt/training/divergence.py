"""A training that has diverged ends at the step where it did, and its last good checkpoint stays."""

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from editmgt.errors import UserError
from editmgt.finite import all_finite
from editmgt.training import LAST

_CHECKED = ("state_dict", "current_model_state", "optimizer_states")  # of a checkpoint
_NAMED = 64  # samples that a message names


class _Seen(NamedTuple):
    """A batch: its step, its samples, this process's loss, and in how many processes the loss is not finite."""

    step: int
    ids: list[str]
    loss: Tensor
    bad: Tensor
    copied: torch.cuda.Event | None


class StopWhenDiverged(Callback):
    """Ends a training whose loss or weights are not finite, before they reach a checkpoint or an editor.

    All processes stop together, at the same batch, with a ``UserError`` that names the step and its samples. On CUDA a loss
    is looked at while the next batch runs, so that the GPU never waits for it.
    """

    def __init__(self) -> None:
        self._pending: deque[_Seen] = deque()
        self._ids: list[str] = []  # of the last step, over all its batches

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look at the loss of this batch; on CUDA, at that of the one before."""
        place = batch_idx % trainer.accumulate_grad_batches
        self._ids = batch["ids"] if place == 0 else self._ids + batch["ids"]
        stepped = place == trainer.accumulate_grad_batches - 1
        loss: Tensor = outputs["loss"]
        bad = trainer.strategy.reduce((~loss.isfinite()).float(), reduce_op="sum")
        copied = None
        if loss.is_cuda:
            bad = bad.to("cpu", non_blocking=True)
            copied = torch.cuda.Event()
            copied.record()
        self._pending.append(_Seen(trainer.global_step + (not stepped), batch["ids"], loss, bad, copied))
        self._look(trainer, keep=int(loss.is_cuda))

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Let nothing that is not finite take the last checkpoint's place."""
        self._look(trainer)
        self._check(trainer, _tensors({name: checkpoint[name] for name in _CHECKED if name in checkpoint}))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let nothing that is not finite become an editor."""
        self._look(trainer)
        self._check(trainer, pl_module.named_parameters())

    def _look(self, trainer: Trainer, keep: int = 0) -> None:
        """Look at the losses of all batches but the last ``keep``."""
        while len(self._pending) > keep:
            seen = self._pending.popleft()
            if seen.copied is not None:
                seen.copied.synchronize()
            if seen.bad:
                ids = [] if seen.loss.isfinite() else seen.ids
                _stop(trainer, f"the loss is {float(seen.loss)} at step {seen.step}", ids)

    def _check(self, trainer: Trainer, tensors: Iterable[tuple[str, Tensor]]) -> None:
        for name, tensor in tensors:
            if not all_finite(tensor):
                _stop(trainer, f"{name} is not finite after step {trainer.global_step}", self._ids)


def _stop(trainer: Trainer, what: str, ids: list[str]) -> None:
    """Raise the same on every process; those whose loss is finite come without ``ids``."""
    told: list[Any] = [(what, ids)]
    if trainer.world_size > 1:
        told = [None] * trainer.world_size
        torch.distributed.all_gather_object(told, (what, ids))
    what = next(what for what, ids in told if ids)
    samples = [name for _, ids in told for name in ids]
    more = f" and {len(samples) - _NAMED} more" if len(samples) > _NAMED else ""
    last = Path(trainer.default_root_dir) / LAST
    good = last if last.is_file() else trainer.ckpt_path
    kept = f"the last good checkpoint stays, {good}" if good else "there was no checkpoint yet"
    raise UserError(
        f"The training has diverged: {what}, samples {', '.join(samples[:_NAMED])}{more}; {kept}. "
        "A lower model.optimizer.lr, or data without what is odd in those samples, may help."
    )


def _tensors(value: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor in nested containers, and its keys."""
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, dict | list):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in parts:
            yield from _tensors(part, f"{name}.{key}".removeprefix(".state_dict").removeprefix("."))
