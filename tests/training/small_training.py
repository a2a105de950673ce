"""Trainings of a few steps on random weights, in this process and in one that dies."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from editmgt import training
from editmgt.config.schema import Model, Train
from editmgt.editing import Editor
from editmgt.training import LAST

HANGS = 1800  # seconds: guards against a process that hangs, however slow or busy the machine is


CONF = Path(__file__).parent.parent.parent / "conf"


def configuration(bundle: Path, cache: Path, **trainer: Any) -> dict[str, Any]:
    """What ``train.py`` composes, with a small model, little data and ``trainer``'s changes: plain and valid."""
    small = _small(bundle, cache, trainer)
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        composed = compose("train", overrides=["model.resolution=32", "logger=none"])
    config: Any = OmegaConf.to_container(composed, resolve=True)
    return {
        **config,
        **{
            name: config[name] | values if isinstance(values, dict) else values
            for name, values in small.items()
        },
    }


def _small(bundle: Path, cache: Path, trainer: dict[str, Any]) -> dict[str, Any]:
    return {
        "seed": 0,
        "init_from": str(bundle),
        "model": {
            "name": "test",
            "kind": "editor",
            "attention_injection": True,
            "injection_fallback": "input",
            "consolidation": True,
            "region_hold": True,
            "reference_strength": 1.0,
            "reference_strength_scope": "all",
            "localization": {
                "source": "attention",
                "layers": [1, 2, 3],
                "average": None,
                "smoothing": None,
                "single_layer": 2,
            },
            "hold": {
                "rule": "threshold",
                "when": "every_step",
                "threshold": 0.1,
                "quantile": 0.8,
                "peak": 0.99,
            },
            "resolution": 32,
            "train_text_encoder": True,
            "condition_dropout": 0.1,
            "full_masking": 0.5,
            "edit_masking": 0.5,
            "optimizer": {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 0.003},
            "eight_bit_optimizer": False,
            "lora": {"rank": 0, "alpha": 32.0, "stream": "all", "targets": None, "merge": False},
            "gradient_checkpointing": False,
            "llm": None,
            "warmup_steps": 2,
            "decay_fraction": 0.5,
            "transformer": None,
            "text_encoder": None,
        },
        "data": {
            "world": "basic",
            "resolution": 32,
            "train_size": 16,
            "dev_size": 16,
            "batch_size": 8,
            "seed": 0,
            "cache_dir": str(cache),
        },
        "sampler": {"steps": 2, "guidance_scale": 1.0, "temperature": [2.0, 0.0], "schedule": "cosine"},
        "trainer": {
            "accelerator": "cpu",
            "devices": 1,
            "strategy": "auto",
            "precision": "32-true",
            "max_steps": 3,
            "max_time": None,
            "gradient_clip_val": 1.0,
            "accumulate_grad_batches": 1,
            "log_every_n_steps": 1,
            "val_check_interval": 100,
            "checkpoint_every_n_steps": 1,
            "preview_size": 2,
            "num_threads": 1,
        }
        | trainer,
    }


def recipe(**changes: Any) -> Model:
    """How that model learns."""
    return Model.model_validate(configuration(Path(), Path())["model"] | changes)


def train(config: dict[str, Any], directory: Path, **options: Any) -> Path:
    """Train what a composed configuration says."""
    return training.train(Train.model_validate(config), directory, **options)


def weights(editor: Path) -> dict[str, torch.Tensor]:
    return Editor.from_pretrained(editor).transformer.state_dict()


def stop_after(config: dict[str, Any], directory: Path, steps: int, resume: Path | None = None) -> Path:
    """Train in a process that dies, uncleanly, when step ``steps`` has been checkpointed."""
    directory.mkdir(exist_ok=True)
    script = f"""
import json, os, sys
from pathlib import Path
from lightning.pytorch.callbacks import ModelCheckpoint
from editmgt.config.schema import Train
from editmgt.training import LAST, train
save = ModelCheckpoint._save_last_checkpoint
def save_and_die(self, trainer, candidates):
    save(self, trainer, candidates)
    if trainer.global_step == {steps}:
        os._exit(9)
ModelCheckpoint._save_last_checkpoint = save_and_die
resume = Path(sys.argv[3]) if sys.argv[3:] else None
train(Train.model_validate(json.loads(sys.argv[1])), Path(sys.argv[2]), resume=resume)
"""
    command = [
        sys.executable,
        "-c",
        script,
        json.dumps(config),
        str(directory),
        *([str(resume)] if resume else []),
    ]
    assert subprocess.run(command, capture_output=True).returncode == 9
    last = directory / LAST
    assert torch.load(last, weights_only=True)["global_step"] == steps
    return last
