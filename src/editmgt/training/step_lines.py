"""How far a training is: a bar on a terminal, a line every now and then in a log."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, RichProgressBar, Timer
from torch import Tensor

from editmgt.progress import time_left

PAUSE = 30.0  # seconds between lines


class Bar(RichProgressBar):
    """Counts steps of the optimiser from the training's first one; Lightning counts batches, of this process alone."""

    @property
    def total_train_batches(self) -> float:
        """Steps in all."""
        steps = self.trainer.max_steps
        return float("inf") if steps == -1 else steps

    def _update(self, progress_bar_id: Any, current: int, visible: bool = True, hard: bool = False) -> None:
        if progress_bar_id == self.train_progress_bar_id:
            current = self.trainer.global_step
        super()._update(progress_bar_id, current, visible, hard)

    def _get_train_description(self, current_epoch: int) -> str:
        return "training"  # Lightning's "Epoch 0/-2" counts what an endless stream does not have


class Lines(Callback):
    """Every ``PAUSE`` seconds a line, whatever the training is at: the clock is a thread of its own."""

    def __init__(self) -> None:
        self._loss: Tensor | None = None
        self._start, self._first = 0.0, 0  # when this process began to train, and from which step

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock that the rate is measured by."""
        self._start, self._first = time.perf_counter(), trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep the loss; nothing waits for it until it is told."""
        self._loss = outputs["loss"] * trainer.accumulate_grad_batches  # Lightning has divided it

    def tell(self, trainer: Trainer, done: threading.Event) -> None:
        """Tell until ``done``."""
        while not done.wait(PAUSE):
            print(f"training: {self._line(trainer)}", flush=True)

    def _line(self, trainer: Trainer) -> str:
        step, loss = trainer.global_step, self._loss
        made = step - self._first
        if loss is None or made < 1:
            checks = trainer.validating or trainer.sanity_checking
            return f"step {step}, {'measuring the dev loss' if checks else 'preparing the data'}"
        rate = made / (time.perf_counter() - self._start)
        total = f" of {trainer.max_steps:,}" if trainer.max_steps > 0 else ""
        left = min(self._seconds_left(trainer, rate), default=float("inf"))
        return f"step {step:,}{total}, loss {float(loss):.3f}, {rate:.2g} steps/s, {time_left(left)}"

    def _seconds_left(self, trainer: Trainer, rate: float) -> Iterator[float]:
        """By the steps and by the clock, as far as either ends the training."""
        if trainer.max_steps > 0:
            yield (trainer.max_steps - trainer.global_step) / rate
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, Timer) and (remaining := callback.time_remaining()) is not None:
                yield remaining


@contextmanager
def telling(trainer: Trainer) -> Iterator[None]:
    """Let the first process's ``Lines``, where there are any, tell while the body runs."""
    done = threading.Event()
    tellers = [
        threading.Thread(target=callback.tell, args=(trainer, done), daemon=True)
        for callback in trainer.callbacks  # type: ignore[attr-defined]
        if isinstance(callback, Lines) and trainer.is_global_zero
    ]
    for teller in tellers:
        teller.start()
    try:
        yield
    finally:
        done.set()
        for teller in tellers:
            teller.join()
