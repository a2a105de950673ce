#!/usr/bin/env bash
# lightning 2.6.6: a WeightAveraging or EMAWeightAveraging callback that is used for a second fit, with a new model and a new
# Trainer (folds, seeds, a notebook's cell run again), gives back the model as it was before training. The callback makes a new
# average for each fit but keeps the number of the step at which it last updated the old one, and does nothing until the new
# Trainer is past that; when the fit ends, the untouched copy replaces the trained weights. The loss of training falls, that of
# validation, which sees the copy, stands still. A longer second fit averages only the steps that it has more than the
# first. A fit that ends before update_starting_at_step (a short trial of a long run's configuration) loses its weights likewise.
# What helps: a new callback for each fit, or load_state_dict({"latest_update_step": 0}) on the old one. What is lost can be had back
# from a checkpoint saved during the fit: its state_dict is the untouched copy, its current_model_state the trained weights.
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
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint, WeightAveraging

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
print("lightning", lightning.__version__, "torch", torch.__version__.partition("+")[0])


class Model(lightning.LightningModule):
    """One weight, from 0 towards 1."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.validated = []

    def loss(self):
        return (self.weight - 1) ** 2

    def training_step(self, batch, index):
        return self.loss()

    def validation_step(self, batch, index):
        self.validated.append(round(self.loss().item(), 3))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.05)


def fit(callback, steps=20):
    model, batches = Model(), torch.utils.data.DataLoader(torch.zeros(10))
    saved = ModelCheckpoint("checkpoints")
    trainer = lightning.Trainer(
        max_steps=steps, callbacks=[callback, saved], accelerator="cpu", logger=False, num_sanity_val_steps=0,
        enable_progress_bar=False, enable_model_summary=False,
    )
    trainer.fit(model, batches, batches)
    checkpoint = torch.load(saved.best_model_path, weights_only=True)
    return [model, *(checkpoint[key]["weight"].item() for key in ("state_dict", "current_model_state"))]


for kind in (WeightAveraging, EMAWeightAveraging):
    callback = kind() if kind is WeightAveraging else kind(decay=0.5)
    ends = {}
    for use in ("first", "second", "second, 30 steps", "second, set to 0"):
        if use == "second, set to 0":
            callback.load_state_dict({"latest_update_step": 0})
        model, average, current = fit(callback, steps=30 if "30" in use else 20)
        ends[use] = (model.weight.item(), average, current)
        validated = [*dict.fromkeys(model.validated)]
        print(
            f"{kind.__name__:18} {use:16} weight {model.weight.item():.3f}, loss of validation {validated}, "
            f"checkpoint {average:.3f}, its current_model_state {current:.3f}"
        )
    assert ends["first"][0] > 0.5, "CHANGED: the first fit gives back something else than its average"
    assert ends["second"][:2] == (0, 0), "CHANGED: the second fit averages"
    assert ends["second"][2] > 0.8, "CHANGED: the checkpoint does not hold the trained weights"
    assert ends["second, 30 steps"][0] > 0.9, "CHANGED: the longer fit averages more than its last steps"
    assert ends["second, set to 0"] == ends["first"], "CHANGED: load_state_dict does not mend it"
model, *_ = fit(EMAWeightAveraging(decay=0.5, update_starting_at_step=50))
print(f"a new EMAWeightAveraging that would start at step 50: weight {model.weight.item():.3f}")
assert model.weight.item() == 0, "CHANGED: what ends before the average starts keeps its weights"
PY
