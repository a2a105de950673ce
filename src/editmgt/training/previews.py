"""What the editor does to a few dev scenes before and after training, judged by the benchmark's own code."""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import cast

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from editmgt.data.edit_data import EditData
from editmgt.data.sample import EditPair
from editmgt.data.scene_data import SceneData
from editmgt.editing import Editor, EditSettings
from editmgt.errors import UserError
from editmgt.evaluation.evaluate import evaluate
from editmgt.results import RunDirectory
from editmgt.training.editor_module import EditorModule


class Previews(Callback):
    """Writes ``progress.json`` ({before, after} of dev loss and success) and ``dev_before``, ``dev_after`` pictures."""

    def __init__(
        self,
        editor: Editor,
        settings: EditSettings,
        samples: Sequence[EditPair],
        data: SceneData | EditData,
        directory: Path,
    ) -> None:
        self.editor, self.settings, self.samples = editor, settings, samples
        self.data, self.run = data, RunDirectory(directory)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure the editor that training starts from; a resumed run keeps its first measurement."""
        if trainer.is_global_zero and "before" not in self.run.progress():
            self._record("before", trainer, cast(EditorModule, pl_module))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure the trained editor."""
        if trainer.is_global_zero and not trainer.interrupted:
            self._record("after", trainer, cast(EditorModule, pl_module))

    def _record(self, when: str, trainer: Trainer, module: EditorModule) -> None:
        module.eval()
        measured = evaluate(
            self.editor, self.samples, self.settings, self.run.path / f"dev_{when}", metrics=["edit/success"]
        )
        loss = self._dev_loss(trainer, module)
        if not isfinite(loss):
            raise UserError(f"The dev loss {when} training is {loss}: these weights can learn nothing.")
        record = {"dev loss": loss, f"dev success (n={measured['n']})": measured["edit/success"]}
        self.run.write_progress(self.run.progress() | {when: record})
        module.train()

    def _dev_loss(self, trainer: Trainer, module: EditorModule) -> float:
        batches = self.data.dev_batches()  # whole ones: the other processes do not take part
        with torch.no_grad(), trainer.precision_plugin.val_step_context():
            sums = [module.dev_sums(trainer.strategy.batch_to_device(batch)) for batch in batches]
        loss, hidden = torch.stack(sums).sum(0)
        return float(loss / hidden)
