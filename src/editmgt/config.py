"""What a composed configuration may hold: every key, its type and its range, and what may not go together.

Problems come as lines, one per mistake, that name the key, the value and the nearest valid choice. Nothing here
imports torch: a mistake should be told in a second.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from editmgt import assets
from editmgt.errors import UserError, nearest
from editmgt.weights import TRANSFORMERS, on_hub
from editmgt.weights import local as local_directory

TARGET_PACKAGES = ("torch", "lightning", "editmgt", "diffusers", "transformers", "torchmetrics")
EIGHT_BIT = "bitsandbytes"

# A class, so that no function of a module that is imported there can be named.
CALLBACK = re.compile(r"(lightning\.pytorch\.callbacks|editmgt\.training\.\w+)\.[A-Z]\w*")

BUNDLE = (
    "vqvae/config.json",
    "text_encoder/config.json",
    "scheduler/scheduler_config.json",
    "model_index.json",
)

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
Size = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Pair = Annotated[list[Size], Field(min_length=2, max_length=2)]
Layers = Annotated[list[NotNegative], Field(min_length=1)]
Scope = Literal["all", "image"]
Smoothing = Literal["adaptive", "gaussian", "none"]
Schedule = Literal["cosine", "linear"]
Fallback = Literal["input", "none"]
Node = dict[str, Any]  # a `_target_` with its arguments


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Localization(_Strict):
    layers: Layers
    average: bool | None
    smoothing: Smoothing | None
    single_layer: NotNegative


class _Hold(_Strict):
    threshold: Fraction


class _Lora(_Strict):
    rank: NotNegative
    alpha: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    stream: Literal["all", "reference"]
    targets: Annotated[list[str], Field(min_length=1)] | None
    merge: bool


class _Model(_Strict):
    name: str
    kind: Literal["editor", "codec", "base"]
    attention_injection: bool
    injection_fallback: Fallback
    reference_strength: Size
    reference_strength_scope: Scope
    consolidation: bool
    localization: _Localization
    region_hold: bool
    hold: _Hold
    resolution: Positive
    train_text_encoder: bool
    condition_dropout: Fraction
    edit_masking: Fraction
    optimizer: Node
    eight_bit_optimizer: bool
    lora: _Lora
    gradient_checkpointing: bool
    llm: str | None
    warmup_steps: NotNegative
    decay_fraction: Fraction
    continuous_steps: NotNegative
    transformer: Node | None
    vqvae: Node | None
    text_encoder: Node | None


class _Sampler(_Strict):
    steps: Positive
    guidance_scale: Size
    temperature: Pair
    schedule: Schedule


class _Scenes(_Strict):
    name: Literal["scenes", "scenes_basic"]
    world: Literal["full", "basic"]
    resolution: Positive
    train_size: Positive
    batch_size: Positive
    seed: NotNegative
    cache_dir: str


class _Columns(_Strict):
    source: str | None
    target: str
    instruction: str | None
    caption: str | None
    mask: str | None
    edit_type: str | None


class _Dataset(_Strict):
    path: str | None
    split: str
    revision: str | None
    ratio: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    columns: _Columns


class _Edits(_Strict):
    name: Annotated[str, Field(pattern=NAME)]
    datasets: Annotated[dict[Annotated[str, Field(pattern=NAME)], _Dataset], Field(min_length=1)]
    streaming: bool
    resolution: Positive
    crops: Positive
    flip: bool
    min_side: Positive
    max_aspect_change: Size
    max_pixels: Positive
    max_bad_share: Fraction
    dev_size: Positive
    batch_size: Positive
    num_workers: NotNegative
    seed: NotNegative
    token_cache: str | None
    cache_dir: str


# The tags stand in brackets so that no error names them as if they were keys.
_Data = Annotated[
    Annotated[_Scenes, Tag("(scenes)")] | Annotated[_Edits, Tag("(edits)")],
    Discriminator(lambda data: "(edits)" if isinstance(data, dict) and "datasets" in data else "(scenes)"),
]


class _Trainer(_Strict):
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"]
    devices: Positive | Literal["auto"]
    strategy: str
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "bf16-true", "64-true"]
    max_steps: Annotated[int, Field(ge=-1)]
    max_time: Annotated[str, Field(pattern=r"^\d\d:\d\d:\d\d:\d\d$")] | None
    gradient_clip_val: Size | None
    accumulate_grad_batches: Positive
    log_every_n_steps: Positive
    val_check_interval: Positive | Fraction | None
    checkpoint_every_n_steps: Positive
    preview_size: Positive
    num_threads: Positive | None


class _Logger(_Strict):
    name: Literal["wandb", "csv", "none"]
    project: str | None = None
    entity: str | None = None


class _CLIP(_Strict):
    model: str
    tag: str
    weights: str | None


class _ViT(_Strict):
    repository: str
    weights: str | None


class _LPIPS(_Strict):
    net: Literal["alex", "vgg", "squeeze"]
    weights: str | None


class _Inception(_Strict):
    weights: str | None


class _Metrics(_Strict):
    names: list[str] | None
    preset: list[str] | None
    clip: _CLIP
    dino: _ViT
    structure: _ViT
    lpips: _LPIPS
    inception: _Inception


class _Benchmark(_Strict):
    name: str
    size: Positive | None
    batch_size: Positive
    seed: NotNegative


class Study(_Strict):
    """What a study compares.

    Attributes:
        factors: key, or group, -> the values it takes.
        acts_through: a factor that only matters where others have these values -> those values.
        seeds: of the trainings; where nothing is trained, of the edits' noise.
        primary: the metric that the answer is about.
        baseline: the cell that the others are compared with, a value for every factor.
        correction: of p values, for the number of comparisons.
    """

    factors: Annotated[dict[str, Annotated[list[Any], Field(min_length=1)]], Field(min_length=1)]
    acts_through: dict[str, dict[str, Any]] = {}
    seeds: Annotated[list[NotNegative], Field(min_length=1)]
    primary: str
    baseline: dict[str, Any]
    correction: Literal["holm"]


class _Slice(_Benchmark):
    size: Positive
    split: Literal["test", "dev"]
    resolution: Positive


class _SceneRows(_Slice):
    world: Literal["full", "basic"]


class _Folder(_Benchmark):
    path: str


class _Table(_Folder):
    split: str


class _MagicBrush(_Table):
    turns: Literal["all", "final"]


class _Judge(_Strict):
    endpoint: Annotated[str, Field(pattern=r"^https?://")] | None
    model: str | None
    key_variable: str
    attempts: Positive
    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    parallel: Positive


class _ImgEdit(_Folder):
    judge: _Judge


class _GEdit(_Table):
    language: Literal["en", "cn"]
    judge: _Judge


BENCHMARKS: dict[str, type[_Benchmark]] = {
    "scenes": _SceneRows,
    **{
        f"scenes_{name}": _Slice
        for name in ("small", "overlap", "texture", "ambiguous", "paraphrase", "multi", "noop")
    },
    "folder": _Folder,
    "magicbrush": _MagicBrush,
    "emu_edit": _Table,
    "anybench": _Table,
    "pie_bench": _Table,
    "gedit": _GEdit,
    "imgedit": _ImgEdit,
}


class _LocalizationLayers(_Strict):
    subsets: list[Layers]
    thresholds: list[Fraction]


class _Common(_Strict):
    name: Annotated[str, Field(pattern=NAME)]
    logger: _Logger
    metrics: _Metrics
    benchmark: Node  # one of BENCHMARKS, by its name
    seed: NotNegative
    reuse: bool
    plan: Literal["run", "only"]
    study: Study | None = None
    experiment: str | None = None
    debug: str | None = None


class Train(_Common):
    """What ``train.py`` reads."""

    task: Literal["train"]
    init_from: str | None
    resume: str | None
    model: _Model
    data: _Data
    sampler: _Sampler
    trainer: _Trainer
    callbacks: Node | None = None


class _EvaluateLocalization(_Strict):
    layers: Layers | None
    average: bool | None
    smoothing: Smoothing | None
    single_layer: NotNegative | None


class _EvaluateHold(_Strict):
    threshold: Fraction | None


class _EvaluateModel(_Strict):
    attention_injection: bool | None
    injection_fallback: Fallback | None
    reference_strength: Size | None
    reference_strength_scope: Scope | None
    consolidation: bool | None
    localization: _EvaluateLocalization
    region_hold: bool | None
    hold: _EvaluateHold
    resolution: Positive | None


class _EvaluateSampler(_Strict):
    steps: Positive | None
    guidance_scale: Size | None
    temperature: Pair | None
    schedule: Schedule | None


class Evaluate(_Common):
    """What ``evaluate.py`` reads; None is what the checkpoint was finished with."""

    task: Literal["evaluate"]
    checkpoint: str
    device: Literal["auto", "cpu", "cuda"]
    dtype: Literal["float32", "bfloat16", "float16"]
    text_encoder_afterwards: Literal["keep", "offload"]
    model: _EvaluateModel
    sampler: _EvaluateSampler
    localization_layers: _LocalizationLayers | None = None


class _Preparation(_Strict):
    shard: Annotated[str, Field(pattern=r"^\d+/[1-9]\d*$")]
    part_rows: Positive
    batch_size: Positive
    device: Literal["auto", "cpu", "cuda"]


class Prepare(_Strict):
    """What ``python -m editmgt.prepare`` reads."""

    task: Literal["prepare"]
    init_from: str
    model: _Model
    data: _Data
    prepare: _Preparation


_PATTERNS = {
    "max_time": "must be days:hours:minutes:seconds, such as 00:00:05:00.",
    "endpoint": "must begin with http:// or https://.",
    "shard": "must be written i/n, such as 0/4.",
}

SCHEMAS: dict[str, type[_Strict]] = {"train": Train, "evaluate": Evaluate, "prepare": Prepare}


def problems(config: dict[str, Any]) -> list[str]:
    """Return everything wrong with a composed configuration, a line each; none: it can be run."""
    found = mistakes(SCHEMAS[config["task"]], config)
    if config["task"] != "prepare":
        found += _benchmark_problems(config)
    if found:
        return found
    found = list(_targets(config))
    if "datasets" in config.get("data", ()):
        found += _data_problems(config)
    if config["task"] == "prepare":
        return found + _prepare_problems(config)
    found += _metric_problems(config["metrics"])
    return found + (_train_problems(config) if config["task"] == "train" else _evaluate_problems(config))


def mistakes(schema: type[BaseModel], values: Any, parent: str = "") -> list[str]:
    """Return what is wrong with ``values``, which lie at the key ``parent``, by their types and ranges alone."""
    try:
        schema.model_validate(values)
    except ValidationError as error:
        return list(dict.fromkeys(_line(schema, dict(entry), parent) for entry in error.errors()))
    return []


def show(value: Any) -> str:
    """Return a value as it is written on a command line."""
    if isinstance(value, list):
        return f"[{','.join(map(show, value))}]"
    if value is None or isinstance(value, bool):
        return {True: "true", False: "false", None: "null"}[value]
    return str(value)


def _line(schema: type[BaseModel], entry: dict[str, Any], parent: str) -> str:
    """One pydantic error as one line."""
    # pydantic names the branch of a union as if it were a key
    branch = re.compile(r"[\[(]|^(int|float|str|bool|constrained|list|dict)")
    loc = [part for part in entry["loc"] if not (isinstance(part, str) and branch.search(part))]
    key = ".".join(filter(None, [parent, *map(str, loc)]))
    kind, value = entry["type"], entry["input"]
    context = entry.get("ctx", {})
    if kind == "extra_forbidden":
        return f"Unknown key '{key}'.{_sibling(schema, loc)}"
    if kind == "missing":
        return f"{key} is missing: it was deleted, or a file of conf/ lacks it."
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", str(context["expected"]))
        rule = f"must be one of {', '.join(choices)}.{nearest(value, choices)}"
    elif kind.startswith("bool"):
        rule = f"must be true or false.{nearest(value, ('true', 'false'))}"
    elif kind.startswith("int"):
        rule = "must be a whole number."
    elif kind.startswith("float"):
        rule = "must be a number."
    elif kind == "string_pattern_mismatch" or (kind == "string_type" and key.endswith(tuple(_PATTERNS))):
        rule = next(
            (rule for ending, rule in _PATTERNS.items() if key.endswith(ending)),
            "must be letters, digits, '.', '_' or '-'.",
        )
    elif kind in ("greater_than_equal", "less_than_equal"):
        word, bound = ("at least", "ge") if kind.startswith("greater") else ("at most", "le")
        rule = f"must be {word} {context[bound]:g}."
    else:
        rule = f"is not valid: {str(entry['msg'])[0].lower()}{str(entry['msg'])[1:]}."
    return f"{key}={show(value)} {rule}"


def _sibling(schema: type[BaseModel], loc: list[Any]) -> str:
    """The nearest key beside an unknown one."""
    models: list[Any] = [schema]
    for part in loc[:-1]:
        fields = [model.model_fields[part].annotation for model in models if part in model.model_fields]
        models = list(_models(fields)) or models  # a name that is free, as a dataset's, is no field
    return nearest(loc[-1], sorted({name for model in models for name in model.model_fields}))


def _models(annotations: Iterable[Any]) -> Iterator[Any]:
    """The models inside annotations such as ``A | B | None``, ``Annotated[A, ...]`` or ``dict[str, A]``."""
    for annotation in annotations:
        if hasattr(annotation, "model_fields"):
            yield annotation
        else:
            yield from _models(get_args(annotation))


def _targets(config: Any, key: str = "") -> Iterator[str]:
    """Classes that a configuration names may come from known packages alone: a config is not a program."""
    if isinstance(config, dict):
        target = config.get("_target_")
        if target is not None and str(target).split(".")[0] not in TARGET_PACKAGES:
            yield f"{key}._target_={target} must come from one of {', '.join(TARGET_PACKAGES)}."
        for name, value in config.items():
            yield from _targets(value, f"{key}.{name}".lstrip("."))
    elif isinstance(config, list):
        for value in config:
            yield from _targets(value, key)


def _callback_problems(nodes: dict[str, Any]) -> Iterator[str]:
    for name, node in nodes.items():
        target = str(node.get("_target_")) if isinstance(node, dict) else "null"
        if not CALLBACK.fullmatch(target):
            yield f"callbacks.{name}._target_={target} must be a class of lightning.pytorch.callbacks or editmgt.training."


def _benchmark_problems(config: dict[str, Any]) -> list[str]:
    benchmark = config.get("benchmark")
    if not isinstance(benchmark, dict):
        return []
    name = benchmark.get("name")
    if name not in BENCHMARKS:
        choices = ", ".join(BENCHMARKS)
        return [f"benchmark.name={show(name)} must be one of {choices}.{nearest(name, BENCHMARKS)}"]
    found = mistakes(BENCHMARKS[name], benchmark, "benchmark")
    judge = benchmark.get("judge")
    if not found and judge and judge["endpoint"] is not None and judge["model"] is None:
        found.append("benchmark.judge.endpoint needs benchmark.judge.model, the judge's name there.")
    return found


def _metric_problems(metrics: dict[str, Any]) -> list[str]:
    """Unknown metrics, weights that are not where they should be, and metrics by name that cannot have theirs."""
    found = [
        f"metrics.{kind}.weights={values['weights']}: there is no such file or directory."
        for kind, values in metrics.items()
        if isinstance(values, dict) and values["weights"] is not None and not Path(values["weights"]).exists()
    ]
    asked = {key: metrics[key] for key in ("names", "preset") if metrics[key] is not None}
    if found or not asked:
        return found
    from editmgt.metrics import REGISTRY, Backbones, missing_weights  # late: it imports torch

    for key, names in asked.items():
        found += [
            f"metrics.{key}: there is no metric '{name}'.{nearest(name, REGISTRY)}"
            for name in names
            if name not in REGISTRY
        ]
    if found or metrics["names"] is None:
        return found
    kinds = {kind: values for kind, values in metrics.items() if isinstance(values, dict)}
    try:
        missing = missing_weights(metrics["names"], Backbones(kinds))
    except UserError as error:
        return [str(error)]
    return [f"metrics.names: {name} cannot be computed: {reason}" for name, reason in missing.items()]


def _train_problems(config: dict[str, Any]) -> list[str]:
    model, trainer = config["model"], config["trainer"]
    found = list(_callback_problems(config["callbacks"] or {}))
    if trainer["max_steps"] == -1 and trainer["max_time"] is None:
        found.append("trainer.max_steps=-1 with trainer.max_time=null would never end: set one of them.")
    if config["resume"] is not None and not config["reuse"]:
        found.append(
            f"resume={config['resume']} goes on with a training and reuse=false starts a new one: choose one."
        )
    if config["resume"] not in (None, "auto") and not Path(config["resume"]).is_file():
        found.append(
            f"resume={config['resume']}: there is no such file.{nearest(config['resume'], ['auto'])}"
        )
    blocks = None
    if config["init_from"] is None:
        parts = {"codec": ("vqvae",), "base": ("vqvae", "transformer", "text_encoder")}
        needed = parts.get(model["kind"], ("vqvae", "transformer", "text_encoder"))
        if missing := [f"model.{part}" for part in needed if model[part] is None]:
            found.append(
                f"init_from=null needs {', '.join(missing)}, which model={model['name']} leaves to the weights."
            )
    else:
        needed_files = BUNDLE if model["kind"] == "editor" else BUNDLE[:1]
        found += _bundle_problems("init_from", config["init_from"], needed_files)
        blocks = _num_blocks(config["init_from"])
    if model["transformer"] is not None:
        blocks = sum(int(model["transformer"].get(part) or 0) for part in ("num_layers", "num_single_layers"))
    if model["kind"] == "editor":
        found += _layer_problems(model["localization"], blocks)
    return found + _recipe_problems(model)


def _recipe_problems(model: dict[str, Any]) -> list[str]:
    found, lora = [], model["lora"]
    if model["eight_bit_optimizer"]:
        if find_spec(EIGHT_BIT) is None:
            found.append(
                "model.eight_bit_optimizer=true needs bitsandbytes, which is not installed: "
                f"pip install {EIGHT_BIT}"
            )
        if (target := model["optimizer"].get("_target_")) != "torch.optim.AdamW":
            found.append(
                f"model.eight_bit_optimizer=true is AdamW with 8-bit states: model.optimizer._target_={target} "
                "must be torch.optim.AdamW."
            )
    if lora["rank"] and lora["stream"] == "reference":
        if lora["merge"]:
            found.append(
                "model.lora.merge=true with model.lora.stream=reference would change the function: "
                "only adapters on all streams can be merged."
            )
        if model["kind"] != "editor" or not model["attention_injection"]:
            found.append(
                "model.lora.stream=reference needs a reference in the attention: "
                "model.kind=editor and model.attention_injection=true."
            )
    return found


def _data_problems(config: dict[str, Any]) -> list[str]:
    data, kind = config["data"], config["model"]["kind"]
    found = []
    used = {"editor": ("source", "instruction"), "base": ("caption",)}.get(kind, ())
    for name, dataset in data["datasets"].items():
        key = f"data.datasets.{name}"
        if dataset["path"] is None:
            found.append(f"{key}.path=null: name a directory, parquet files or a repository on the hub.")
        found += [
            f"{key}.columns.{use}=null, but a model of kind {kind} learns from it."
            for use in used
            if dataset["columns"][use] is None
        ]
        if dataset["ratio"] < sum(other["ratio"] for other in data["datasets"].values()) / 1000:
            found.append(f"{key}.ratio={dataset['ratio']} is less than a thousandth of all: leave it out.")
    if data["streaming"] and data["token_cache"] is not None and config["task"] == "train":
        found.append(
            "data.streaming=true reads no data.token_cache: a cache is read by position; choose one."
        )
    if data["streaming"] and data["num_workers"] > 1:
        found.append(f"data.num_workers={data['num_workers']} must be 0 or 1 with data.streaming=true.")
    if data["resolution"] != config["model"]["resolution"]:
        found.append(
            f"data.resolution={data['resolution']} is not model.resolution={config['model']['resolution']}."
        )
    return found


def _prepare_problems(config: dict[str, Any]) -> list[str]:
    data, shard = config["data"], config["prepare"]["shard"]
    found = _bundle_problems("init_from", config["init_from"], BUNDLE[:1])
    part, parts = map(int, shard.split("/"))
    if part >= parts:
        found.append(f"prepare.shard={shard} must be one of 0/{parts} to {parts - 1}/{parts}.")
    if "datasets" not in data:
        found.append(
            f"data={data['name']} is rendered and encoded by train.py itself: nothing is to prepare."
        )
    elif data["token_cache"] is None:
        found.append(
            "data.token_cache=null: name the directory to make, as in data.token_cache=outputs/codes."
        )
    if config["model"]["kind"] == "codec":
        found.append(
            f"model={config['model']['name']} is a codec: it learns from pixels, nothing is to prepare."
        )
    return found


def _evaluate_problems(config: dict[str, Any]) -> list[str]:
    name, model = config["checkpoint"], config["model"]
    found = _bundle_problems("checkpoint", name, BUNDLE)
    directory = local_directory(name)
    if found or directory is None:
        return found
    mode = _transformer_config(directory).get("reference_mode", "attention")
    injection, fallback = model["attention_injection"], model["injection_fallback"]
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
    found += _subset_problems(config.get("localization_layers"), _num_blocks(name))
    return found + _layer_problems(model["localization"], _num_blocks(name))


def _bundle_problems(key: str, name: str, needed: tuple[str, ...]) -> list[str]:
    """What is plainly wrong with a name of weights, without loading them."""
    directory = local_directory(name)
    if directory is None:
        if on_hub(name):
            return []  # a repository on the hub: only fetching it can tell
        shipped = assets.names()
        return [
            f"{key}={name}: there is no such directory and no such shipped name "
            f"({', '.join(shipped) or 'none is shipped'}).{nearest(name, shipped)}"
        ]
    if (directory / TRANSFORMERS[0]).is_dir():
        needed = tuple(file for file in needed if file != "model_index.json")  # the released editor has none
    if missing := [file for file in needed if not (directory / file).is_file()]:
        return [f"{key}={name} is of another architecture or incomplete: it has no {', '.join(missing)}."]
    return []


def _transformer_config(directory: Path) -> dict[str, Any]:
    for folder in TRANSFORMERS:
        path = directory / folder / "config.json"
        if path.is_file():
            try:
                values = json.loads(path.read_text())
            except (json.JSONDecodeError, UnicodeDecodeError):
                return {}  # loading it says what is wrong
            return values if isinstance(values, dict) else {}
    return {}


def _num_blocks(name: str) -> int | None:
    """Blocks of the transformer in a local bundle; None where that cannot be told."""
    directory = local_directory(name)
    values = _transformer_config(directory) if directory else {}
    parts = [values.get(name) for name in ("num_layers", "num_single_layers")]
    whole = [part for part in parts if isinstance(part, int)]
    return sum(whole) if len(whole) == len(parts) else None


def _layer_problems(localization: dict[str, Any], blocks: int | None) -> list[str]:
    if blocks is None:
        return []
    found = []
    outside = [layer for layer in localization["layers"] or [] if layer >= blocks]
    if outside:
        found.append(
            f"model.localization.layers={show(localization['layers'])}: {show(outside)} do not exist; "
            f"this model has blocks 0 to {blocks - 1}."
        )
    single = localization["single_layer"]
    if single is not None and single >= blocks:
        found.append(
            f"model.localization.single_layer={single} does not exist; this model has blocks 0 to {blocks - 1}."
        )
    return found


def _subset_problems(study: dict[str, Any] | None, blocks: int | None) -> list[str]:
    if study is None or blocks is None:
        return []
    return [
        f"localization_layers.subsets: {show(subset)} names a block that does not exist; this model has blocks 0 to "
        f"{blocks - 1}."
        for subset in study["subsets"]
        if max(subset) >= blocks
    ]


def edit_values(config: Mapping[str, Any]) -> dict[str, Any]:
    """The switches and the sampler of a configuration, by the names of :class:`editmgt.editing.EditSettings`."""
    model = config["model"]
    names = ("reference_strength", "reference_strength_scope", "region_hold", "consolidation", "resolution")
    return {
        **config["sampler"],
        **{name: model[name] for name in names},
        **model["localization"],
        "hold_threshold": model["hold"]["threshold"],
    }
