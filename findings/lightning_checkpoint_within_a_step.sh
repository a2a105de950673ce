#!/usr/bin/env bash
# lightning 2.6.6: with accumulate_grad_batches over 1, a training that is resumed from a checkpoint of ModelCheckpoint writes its next one
# when the first batch of a step is done and the step is not: the callback forgets at which step it saved last, and finds that
# step due once more. The file has the same global_step and the same weights as the one it replaces, but counts one batch more, and the
# gradient of that batch is not in it. A training that is resumed from it (killed twice, as where jobs are preempted) makes its next step
# of one batch too few. Nothing says so. What helps: an on_load_checkpoint of a callback that sets the batch_progress of the fit loop's
# epoch loop to global_step * accumulate_grad_batches.
# Exits 1 if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --quiet --disable-pip-version-check 'lightning==2.6.6' 'torch==2.13.0' 'numpy==2.4.6'
env/bin/python - 2> said.txt <<'PY' || { cat said.txt; exit 1; }
import logging

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
print("lightning", lightning.__version__, "torch", torch.__version__.partition("+")[0])
ACCUMULATED = 4


class Killed(BaseException):
    pass


class Model(lightning.LightningModule):
    """Notes which batches each step is made of; dies before a batch, if asked to."""

    def __init__(self, dies_before=None):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.dies_before, self.steps = dies_before, {}

    def training_step(self, batch, index):
        if self.dies_before == index:
            raise Killed
        self.steps.setdefault(self.global_step, []).append(index)
        return (self.weight - batch.mean()) ** 2

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(dies_before=None, resume=None):
    model = Model(dies_before)
    saved = ModelCheckpoint(
        "checkpoints", save_last=True, every_n_train_steps=1, save_top_k=0, enable_version_counter=False
    )
    trainer = lightning.Trainer(
        max_steps=4, accumulate_grad_batches=ACCUMULATED, callbacks=[saved], accelerator="cpu", logger=False,
        enable_progress_bar=False, enable_model_summary=False,
    )
    try:
        trainer.fit(model, torch.utils.data.DataLoader(torch.arange(16.0)), ckpt_path=resume)
    except Killed:
        pass
    return model


def stored():
    checkpoint = torch.load("checkpoints/last.ckpt", weights_only=True)
    batches = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]["ready"]
    return checkpoint["global_step"], batches


whole = fit()
print(f"uninterrupted: steps of batches {whole.steps}")
fit(dies_before=8)
first = stored()
fit(dies_before=9, resume="checkpoints/last.ckpt")
second = stored()
print(f"killed after step 2, batch 8: (step, batches) {first}; resumed and killed one batch later: {second}")
resumed = fit(resume="checkpoints/last.ckpt")
print(f"resumed again: steps of batches {resumed.steps}")
assert first == (2, 8), "CHANGED: the first checkpoint is not of a whole step"
assert second == (2, 9), "CHANGED: after a resume no checkpoint is written within a step"
assert [len(batches) for batches in resumed.steps.values()] == [ACCUMULATED - 1, ACCUMULATED], "CHANGED: the steps are whole"
print("as described")
PY
