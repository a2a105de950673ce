"""One training, from its configuration to a finished bundle on disk."""

import shutil
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning import LightningDataModule, Trainer, seed_everything
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    TorchElasticEnvironment,
)

from editmgt.codec import Codec
from editmgt.config import edit_values, schema
from editmgt.data.edit_data import EditData
from editmgt.data.scene_data import SceneData
from editmgt.devices import resolve_precision
from editmgt.editing import Editor, EditSettings
from editmgt.text import TextEncoder
from editmgt.training import EDITOR, LAST
from editmgt.training.callbacks import chosen_callbacks
from editmgt.training.checkpoint import MadeWith, WholeFiles, check_fits
from editmgt.training.codec_module import CodecModule
from editmgt.training.decoder import DecoderModule
from editmgt.training.divergence import StopWhenDiverged
from editmgt.training.editor_module import EditorModule
from editmgt.training.flow_module import FlowModule
from editmgt.training.optimizers import optimizer_maker
from editmgt.training.parts import (
    fresh_vqvae,
    starting_parts,
    teacher_parts,
    texts_encoded,
    timestep_convention,
)
from editmgt.training.previews import Previews
from editmgt.training.step_lines import Bar, Lines, telling
from editmgt.weights import find


def train(
    config: schema.Train, training_dir: Path, *, resume: Path | None = None, logger: Logger | bool = False
) -> Path:
    """Train as ``config`` says, from the checkpoint ``resume`` if there is one; return the directory of the finished bundle.

    Checkpoints go to ``training_dir/checkpoints`` (plain containers and tensors: they load with ``weights_only=True``). The
    bundle appears in ``training_dir/editor`` whole or not at all.
    """
    precision, _ = resolve_precision(config.trainer.accelerator, config.trainer.precision)
    seed_everything(config.seed, workers=True, verbose=False)
    # what SLURM or MPI say is of tasks of theirs, which train nothing together; torchrun's processes know their ranks
    environment = TorchElasticEnvironment() if TorchElasticEnvironment.detect() else LightningEnvironment()
    environment.set_global_rank(0)
    if config.trainer.num_threads:
        torch.set_num_threads(config.trainer.num_threads)
    make = _codec_run if config.model.kind == "codec" else _editor_run
    module, data, callbacks, save = make(config, training_dir)
    if resume is not None:
        check_fits(resume, module)
    streams = isinstance(config.data, schema.Edits) and config.data.streaming
    facts = {"trainer.precision": precision} | ({"datasets": version("datasets")} if streams else {})
    callbacks = [
        StopWhenDiverged(),
        MadeWith(facts),
        *chosen_callbacks(config.callbacks),  # before the previews, which measure what they leave
        *callbacks,
    ]
    trainer = _trainer(config.trainer, precision, training_dir, callbacks, logger, environment)
    for half in (training_dir / LAST).parent.glob(f".{LAST.name}.*"):  # of a process that was killed
        half.unlink(missing_ok=True)
    with telling(trainer):
        trainer.fit(module, data, ckpt_path=resume, weights_only=True)
    finished = training_dir / EDITOR
    if trainer.interrupted:
        raise KeyboardInterrupt
    if trainer.is_global_zero:
        temporary = training_dir / f".{EDITOR}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        save(temporary)
        shutil.rmtree(finished, ignore_errors=True)
        temporary.rename(finished)
    trainer.strategy.barrier()
    return finished


def _trainer(
    config: schema.Trainer,
    precision: str,
    directory: Path,
    callbacks: list[Callback],
    logger: Logger | bool,
    environment: ClusterEnvironment,
) -> Trainer:
    checkpoint = ModelCheckpoint(
        (directory / LAST).parent,
        save_last=True,
        save_top_k=0,
        every_n_train_steps=config.checkpoint_every_n_steps,
        save_on_train_epoch_end=False,
    )
    terminal = sys.stdout.isatty()
    batches = config.accumulate_grad_batches
    every = config.val_check_interval
    return Trainer(
        accelerator=config.accelerator,
        devices=config.devices,
        strategy=config.strategy,
        precision=precision,  # type: ignore[arg-type]  # one of its names: checked, and no longer auto
        max_steps=config.max_steps,
        max_time=config.max_time,
        log_every_n_steps=config.log_every_n_steps,
        val_check_interval=None if every is None else every * batches,  # Lightning counts batches
        gradient_clip_val=config.gradient_clip_val,
        accumulate_grad_batches=batches,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # the batches know their rank
        enable_model_summary=False,
        default_root_dir=directory,
        logger=logger,
        enable_progress_bar=terminal,
        plugins=[WholeFiles(), environment],
        callbacks=[*callbacks, checkpoint, Bar(leave=True) if terminal else Lines()],
    )


def _data(
    config: schema.Train,
    directory: Path,
    codec: Codec | None,
    text: TextEncoder | None,
    pixels_per_cell: int = 1,
) -> SceneData | EditData:
    if isinstance(config.data, schema.Scenes):
        return SceneData(config.model.kind, codec, text, config.data)
    return EditData(
        config.model.kind,
        codec,
        text,
        config.data,
        text_learns=config.model.train_text_encoder,
        directory=directory,
        pixels_per_cell=pixels_per_cell,
    )


def _codec_run(
    config: schema.Train, directory: Path
) -> tuple[CodecModule | DecoderModule, LightningDataModule, list[Callback], Any]:
    model = config.model
    optimizer = optimizer_maker(model.optimizer, model.eight_bit_optimizer)
    module: CodecModule | DecoderModule
    if config.init_from is None:
        assert model.vqvae is not None  # `config.problems` says so
        vqvae = fresh_vqvae(model.vqvae)
        module = CodecModule(vqvae, optimizer, model.warmup_steps, model.continuous_steps, seed=config.seed)
    else:
        start, variant = find(config.init_from)
        codec = Codec.from_pretrained(start, variant=variant)
        module = DecoderModule(codec, optimizer, model.warmup_steps)
    data = _data(config, directory, None, None)
    return module, data, [], lambda path: module.finished().save_pretrained(path)


def _editor_run(
    config: schema.Train, directory: Path
) -> tuple[EditorModule, LightningDataModule, list[Callback], Any]:
    assert config.init_from is not None  # a codec alone starts from nothing
    model = config.model
    codec, text, transformer = starting_parts(config.init_from, model)
    for part in (codec, text, transformer):
        part.float()
    settings = EditSettings().override(**edit_values(config))
    optimizer = optimizer_maker(model.optimizer, model.eight_bit_optimizer)
    teacher = None
    if model.teacher is not None:
        theirs, reads, attends = teacher_parts(
            model.teacher, codec, text, model.train_text_encoder, texts_encoded(config)
        )
        # in training mode, too: nothing in it drops out, and Lightning warns of what is not
        teacher = EditorModule(
            theirs, reads, optimizer, codec.downsampling, model, reference_attends=attends
        ).train()
    make = partial(FlowModule, codebook_KC=codec.codebook) if model.paradigm == "flow" else EditorModule
    module = make(
        transformer.train(),
        text.train(),
        optimizer,
        codec.downsampling,
        model,
        config.seed,
        settings.reference_attends,
        teacher,
    )
    editor = Editor(codec, text, transformer, settings, timestep_convention(model))
    data = _data(config, directory, codec, text, editor.pixels_per_cell)
    callbacks: list[Callback] = []
    if model.kind == "editor":
        count = min(config.trainer.preview_size, len(data.dev_samples))
        samples = [data.dev_samples[i] for i in range(count)]
        callbacks.append(Previews(editor, settings, samples, data, directory))

    def save(directory: Path) -> None:
        if transformer.adapter is not None and model.lora.merge:
            from editmgt.model.lora import merge  # late: peft takes seconds to import

            merge(transformer)
        editor.save_pretrained(directory)

    return module, data, callbacks, save
