"""What may not go together, or is not there: what types and ranges alone cannot tell."""

import os
import pickle
from pathlib import Path
from typing import Any

from editmgt.benchmarks.protocols import PROTOCOLS
from editmgt.config.benchmark import Benchmark, benchmark_schema
from editmgt.config.bundles import (
    BUNDLE,
    blocks_of,
    bundle_problems,
    num_blocks,
    subset_problems,
    transformer_config,
)
from editmgt.config.callbacks import idle_callbacks
from editmgt.config.edit_values import config_key, edit_values
from editmgt.config.recipes import recipe_problems
from editmgt.config.schema import SCHEMAS, Config, Edits, Evaluate, Metrics, Prepare, Scenes, Train
from editmgt.config.targets import target_problems
from editmgt.editing.settings import PARADIGM
from editmgt.editing.settings_problems import layer_problems, map_problems
from editmgt.errors import UserError, nearest
from editmgt.settings.mistakes import mistakes, show
from editmgt.weights import local as local_directory


def problems(config: dict[str, Any]) -> list[str]:
    """Return everything wrong with a composed configuration, a line each; none: it can be run."""
    schema = SCHEMAS.get(str(config.get("task")))
    if schema is None:  # of a stored file that was changed
        return [f"task={show(config.get('task'))} must be one of {', '.join(SCHEMAS)}."]
    wrong = [] if schema is Prepare else _benchmark_problems(config.get("benchmark"))
    # a benchmark that is wrong is told by itself: only its protocol knows what it may hold
    stand_in = {"benchmark": Benchmark.model_construct()} if wrong else {}
    if found := mistakes(schema, config | stand_in) + wrong:
        return found
    classes, read = target_problems(config), schema.model_validate(config)
    if isinstance(read, Evaluate):
        return classes + _metric_problems(read.metrics) + _evaluate_problems(read)
    found = classes + _data_problems(read)
    if isinstance(read, Prepare):
        return found + _prepare_problems(read)
    found += _metric_problems(read.metrics) + _train_problems(read)
    return found + ([] if classes else _class_problems(read))


def _benchmark_problems(values: Any) -> list[str]:
    if not isinstance(values, dict):
        return []
    name = values.get("name")
    if name not in PROTOCOLS:
        choices = ", ".join(PROTOCOLS)
        return [f"benchmark.name={show(name)} must be one of {choices}.{nearest(name, PROTOCOLS)}"]
    if found := mistakes(benchmark_schema(name), values, "benchmark"):
        return found
    judge = Benchmark.of(values).judge
    if judge is not None and judge.endpoint is not None and judge.model is None:
        return ["benchmark.judge.endpoint needs benchmark.judge.model, the judge's name there."]
    return []


def _data_problems(config: Train | Prepare) -> list[str]:
    data, resolution = config.data, edit_values(config)["resolution"]
    found = []
    if data.resolution != resolution:
        found.append(f"data.resolution={data.resolution} is not model.resolution={resolution}.")
    if isinstance(data, Scenes):
        return found + _lesson_problems(data)
    return found + _dataset_problems(data, config.model.kind, isinstance(config, Train))


def _lesson_problems(data: Scenes) -> list[str]:
    shares = data.lessons.model_dump()
    found = []
    if (total := sum(shares.values())) > 1 + 1e-9:
        found.append(f"data.lessons: the shares add up to {total:g}; together they must be at most 1.")
    if data.world != "full" and (taught := [name for name, share in shares.items() if share]):
        found.append(f"data.lessons.{taught[0]}={shares[taught[0]]:g}: lessons need data.world=full.")
    return found


def _metric_problems(metrics: Metrics) -> list[str]:
    """Unknown metrics, weights that are not where they should be, and metrics by name that cannot have theirs."""
    kinds = {kind: values for kind, values in metrics.model_dump().items() if isinstance(values, dict)}
    found = [
        f"metrics.{kind}.weights={values['weights']}: there is no such file or directory."
        for kind, values in kinds.items()
        if values["weights"] is not None and not Path(values["weights"]).exists()
    ]
    both = {"names": metrics.names, "preset": metrics.preset}
    asked = {key: names for key, names in both.items() if names is not None}
    if found or not asked:
        return found
    from editmgt.metrics import REGISTRY, Backbones, missing_weights  # late: it imports torch

    for key, names in asked.items():
        found += [
            f"metrics.{key}: there is no metric '{name}'.{nearest(name, REGISTRY)}"
            for name in names
            if name not in REGISTRY
        ]
    if found or metrics.names is None:
        return found
    try:
        missing = missing_weights(metrics.names, Backbones(kinds))
    except UserError as error:
        return [str(error)]
    return [f"metrics.names: {name} cannot be computed: {reason}" for name, reason in missing.items()]


def _resume_problems(named: str, max_steps: int) -> list[str]:
    if not Path(named).is_file():
        return [_no_checkpoint(named)]
    import torch  # late: it takes seconds

    try:
        step = int(torch.load(named, map_location="cpu", weights_only=True, mmap=True)["global_step"])
    except (OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, pickle.UnpicklingError):
        return []  # whoever goes on from it says what is wrong with it
    if 0 <= max_steps < step:
        return [
            f"resume={named} is at step {step}, beyond trainer.max_steps={max_steps}: name an earlier checkpoint, or train "
            "longer."
        ]
    return []


def _no_checkpoint(named: str) -> str:
    if not Path(named).is_dir():
        return f"resume={named}: there is no such file.{nearest(named, ['auto'])}"
    directory = Path(named)
    # the parts of a run's editor are links to its training's
    training = (directory / "checkpoints" / "editor" / "vqvae").resolve().parents[1]
    found = [path for root in (directory, training) for path in sorted((root / "checkpoints").glob("*.ckpt"))]
    hint = f" Its checkpoint is {os.path.relpath(found[0])}." if found else ""
    return f"resume={named} is a directory: name a checkpoint, a file.{hint}"


def _train_problems(config: Train) -> list[str]:
    model, trainer = config.model, config.trainer
    found: list[str] = []
    if trainer.max_steps == -1 and trainer.max_time is None:
        found.append("trainer.max_steps=-1 with trainer.max_time=null would never end: set one of them.")
    if trainer.max_steps == 0:
        found.append("trainer.max_steps=0 would train nothing: at least 1, or -1 with trainer.max_time.")
    if config.resume is not None and not config.reuse:
        found.append(
            f"resume={config.resume} goes on with a training and reuse=false starts a new one: choose one."
        )
    if config.resume not in (None, "auto"):
        found += _resume_problems(str(config.resume), trainer.max_steps)
    blocks = None
    if config.init_from is None:
        if model.kind != "codec" or model.vqvae is None:
            found.append(
                "init_from=null: name the weights to start from; only a codec that model.vqvae describes "
                "(experiment=tiny_codec) starts from nothing."
            )
    else:
        needed_files = BUNDLE if model.kind == "editor" else BUNDLE[:1]
        found += bundle_problems("init_from", config.init_from, needed_files)
        blocks = num_blocks(config.init_from)
        if model.kind == "codec" and model.vqvae is not None:
            found.append(
                f"model.vqvae describes a codec from nothing and init_from={config.init_from} brings a finished one, "
                "whose decoder alone would learn: set one of them to null (experiment=tiny_codec_decoder does)."
            )
    if model.transformer is not None:
        blocks = blocks_of(model.transformer)
    if model.kind == "editor":
        found += _edit_problems(config, blocks, model.paradigm)
    return found + recipe_problems(config)


def _class_problems(config: Train) -> list[str]:
    """What the classes that a configuration names refuse."""
    from editmgt.training.optimizers import optimizer_problems  # late: it imports torch

    found = optimizer_problems(config.model.optimizer)
    if config.callbacks:
        from editmgt.training.callbacks import callback_problems  # late: it imports Lightning

        found += callback_problems(config.callbacks) or idle_callbacks(config)
    return found


def _dataset_problems(data: Edits, kind: str, trains: bool) -> list[str]:
    found = []
    used = {"editor": ("source", "instruction"), "base": ("caption",)}.get(kind, ())
    for name, dataset in data.datasets.items():
        key = f"data.datasets.{name}"
        if dataset.path is None:
            found.append(f"{key}.path=null: name a directory, parquet files or a repository on the hub.")
        found += [
            f"{key}.columns.{use}=null, but a model of kind {kind} learns from it."
            for use in used
            if getattr(dataset.columns, use) is None
        ]
        if dataset.ratio < sum(other.ratio for other in data.datasets.values()) / 1000:
            found.append(f"{key}.ratio={dataset.ratio} is less than a thousandth of all: leave it out.")
    if data.streaming and data.token_cache is not None and trains:
        found.append(
            "data.streaming=true reads no data.token_cache: a cache is read by position; choose one."
        )
    if data.aspect_buckets is not None and kind == "codec":
        found.append("data.aspect_buckets: a codec learns from squares; set it to null.")
    if data.aspect_buckets is not None and data.streaming and trains:
        found.append(
            "data.aspect_buckets needs every picture's size before the first batch, which data.streaming=true does not "
            "know: set one of them to null or false."
        )
    if data.streaming and data.num_workers > 1:
        found.append(f"data.num_workers={data.num_workers} must be 0 or 1 with data.streaming=true.")
    return found


def _prepare_problems(config: Prepare) -> list[str]:
    data, shard = config.data, config.prepare.shard
    found = bundle_problems("init_from", config.init_from, BUNDLE[:1])
    part, parts = map(int, shard.split("/"))
    if part >= parts:
        found.append(f"prepare.shard={shard} must be one of 0/{parts} to {parts - 1}/{parts}.")
    if isinstance(data, Scenes):
        found.append(f"data={data.name} is rendered and encoded by train.py itself: nothing is to prepare.")
    elif data.token_cache is None:
        found.append(
            "data.token_cache=null: name the directory to make, as in data.token_cache=outputs/codes."
        )
    if config.model.kind == "codec":
        found.append(f"model={config.model.name} is a codec: it learns from pixels, nothing is to prepare.")
    return found


def _evaluate_problems(config: Evaluate) -> list[str]:
    name, model = config.checkpoint, config.model
    found = bundle_problems("checkpoint", name, BUNDLE)
    directory = local_directory(name)
    if found or directory is None:
        return found
    sizes = transformer_config(directory)
    mode = sizes.get("reference_mode", "attention")
    injection, fallback = model.attention_injection, model.injection_fallback
    trained = (
        "attention_injection=true"
        if mode == "attention"
        else f"attention_injection=false injection_fallback={mode}"
    )
    if injection is not None and injection != (mode == "attention"):
        found.append(
            f"model.attention_injection={show(injection)} contradicts checkpoint={name}, which was trained with "
            f"{trained}: injection is trained in; choose another checkpoint or train one."
        )
    elif mode != "attention" and fallback not in (None, mode):
        found.append(
            f"model.injection_fallback={fallback} contradicts checkpoint={name}, which was trained with {trained}."
        )
    found += subset_problems(config.localization_layers, num_blocks(name))
    return found + _edit_problems(config, num_blocks(name), "flow" if sizes.get("latent_channels") else "mgt")


def _edit_problems(config: Config, blocks: int | None, paradigm: str) -> list[str]:
    """What of an edit's settings a model of so many blocks and this paradigm does not have, or does not go together."""
    values = edit_values(config) | {PARADIGM: paradigm}
    found = layer_problems(values, blocks, config_key) + map_problems(values, config_key)
    if config.hold_setup and config.speed not in (None, "quality"):
        found.append(
            f"speed={config.speed} holds in its own way, and hold_setup={config.hold_setup} in another: leave one out. "
            "The shortcuts alone are sampler.reuse=known sampler.matched_steps=true."
        )
    return found
