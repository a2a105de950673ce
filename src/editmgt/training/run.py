"""One training, from its configuration to a finished bundle on disk."""

import shutil
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from lightning import LightningDataModule, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import Logger

from editmgt.codec import Codec
from editmgt.config import edit_values
from editmgt.data.module import SceneData
from editmgt.editing import Editor, EditSettings
from editmgt.training.codec import CodecModule
from editmgt.training.module import EditorModule
from editmgt.training.parts import fresh_vqvae, starting_parts
from editmgt.training.previews import Previews

FINISHED = "editor"
CHECKPOINTS = "checkpoints"
LAST = "last.ckpt"


def train(
    config: dict[str, Any], training_dir: Path, *, resume: Path | None = None, logger: Logger | bool = False
) -> Path:
    """Train as ``config`` says and return the directory of the finished bundle.

    Checkpoints go to ``training_dir/checkpoints`` (plain containers and tensors: they load with ``weights_only=True``). The
    bundle appears in ``training_dir/editor`` whole or not at all.

    Args:
        config: the composed configuration as plain containers.
        training_dir: exists or is made.
        resume: a checkpoint to go on from.
        logger: Lightning's.
    """
    seed_everything(config["seed"], workers=True, verbose=False)
    if config["trainer"].get("num_threads"):
        torch.set_num_threads(config["trainer"]["num_threads"])
    torch.set_flush_denormal(True)
    make = _codec_run if config["model"]["kind"] == "codec" else _editor_run
    module, data, callbacks, save = make(config, training_dir)
    trainer = _trainer(config["trainer"], training_dir, callbacks, logger)
    trainer.fit(module, data, ckpt_path=resume, weights_only=True)
    finished = training_dir / FINISHED
    if trainer.interrupted:
        raise KeyboardInterrupt
    if trainer.is_global_zero:
        temporary = training_dir / f".{FINISHED}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        save(temporary)
        shutil.rmtree(finished, ignore_errors=True)
        temporary.rename(finished)
    trainer.strategy.barrier()
    return finished


def _trainer(
    config: dict[str, Any], directory: Path, callbacks: list[Callback], logger: Logger | bool
) -> Trainer:
    checkpoint = ModelCheckpoint(
        directory / CHECKPOINTS,
        save_last=True,
        save_top_k=0,
        every_n_train_steps=config["checkpoint_every_n_steps"],
        save_on_train_epoch_end=False,
    )
    return Trainer(
        accelerator=config["accelerator"],
        devices=config["devices"],
        strategy=config["strategy"],
        precision=config["precision"],
        max_steps=config["max_steps"],
        max_time=config["max_time"],
        log_every_n_steps=config["log_every_n_steps"],
        val_check_interval=config["val_check_interval"],
        gradient_clip_val=config["gradient_clip_val"],
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # the batches know their rank
        enable_model_summary=False,
        default_root_dir=directory,
        logger=logger,
        callbacks=[*callbacks, checkpoint, _Progress(leave=True)],
    )


class _Progress(RichProgressBar):
    def _get_train_description(self, current_epoch: int) -> str:
        return "training"  # Lightning's "Epoch 0/-2" counts what an endless stream does not have


def _data(config: dict[str, Any], codec: Codec | None, text: Any) -> SceneData:
    data = config["data"]
    return SceneData(
        config["model"]["kind"],
        codec,
        text,
        world=data["world"],
        resolution=data["resolution"],
        train_size=data["train_size"],
        batch_size=data["batch_size"],
        seed=data["seed"],
        cache_dir=Path(data["cache_dir"]),
    )


def _codec_run(
    config: dict[str, Any], directory: Path
) -> tuple[LightningModule, LightningDataModule, list[Callback], Any]:
    model = config["model"]
    vqvae = fresh_vqvae(model["vqvae"])
    module = CodecModule(
        vqvae, instantiate(model["optimizer"]), model["warmup_steps"], model["continuous_steps"]
    )
    return module, _data(config, None, None), [], lambda path: module.finished().save_pretrained(path)


def _editor_run(
    config: dict[str, Any], directory: Path
) -> tuple[LightningModule, LightningDataModule, list[Callback], Any]:
    model = config["model"]
    codec, text, transformer = starting_parts(config)
    for part in (codec, text, transformer):
        part.float()
    module = EditorModule(
        transformer.train(),
        text.train(),
        instantiate(model["optimizer"]),
        resolution=model["resolution"],
        warmup_steps=model["warmup_steps"],
        decay_fraction=model["decay_fraction"],
        condition_dropout=model["condition_dropout"],
        train_text_encoder=model["train_text_encoder"],
        seed=config["seed"],
    )
    editor = Editor(
        codec,
        text,
        transformer,
        EditSettings().override(**edit_values(config)),
        timestep_convention="mask_ratio",
    )
    data = _data(config, codec, text)
    callbacks: list[Callback] = []
    if model["kind"] == "editor":
        callbacks.append(_previews(editor, config, data, directory))
    return module, data, callbacks, editor.save_pretrained


def _previews(editor: Editor, config: dict[str, Any], data: SceneData, directory: Path) -> Previews:
    samples = [data.dev_scenes[i] for i in range(config["trainer"]["preview_size"])]
    return Previews(editor, EditSettings().override(**edit_values(config)), samples, data, directory)
