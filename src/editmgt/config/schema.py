"""What a composed configuration may hold: every key, its type and its range."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from editmgt import limits
from editmgt.config.benchmark import NAME, AnyBenchmark
from editmgt.config.edit_values import section
from editmgt.editing.settings import OF_CODES
from editmgt.settings.declaration import Mark, Under
from editmgt.settings.ranges import (
    BatchSize,
    Fraction,
    Layers,
    MaxSteps,
    NotNegative,
    Positive,
    Processes,
    Rank,
    Resolution,
    Samples,
    Seed,
    Size,
    Strict,
    Text,
    Workers,
)

RUNNING, REPLICATE, PRESET = Mark.RUNNING, Mark.REPLICATE, Mark.PRESET
Fallback = Literal["input", "none"]
Paradigm = Literal["mgt", "flow"]
# Lightning's names of what one `python -m torch.distributed.run` can start (its registry needs torch)
Strategy = Literal[
    "auto",
    "single_device",
    "ddp",
    "ddp_find_unused_parameters_false",
    "ddp_find_unused_parameters_true",
    "fsdp",
    "fsdp_cpu_offload",
    "deepspeed",
    "deepspeed_stage_1",
    "deepspeed_stage_2",
    "deepspeed_stage_2_offload",
    "deepspeed_stage_3",
    "deepspeed_stage_3_offload",
    "deepspeed_stage_3_offload_nvme",
]
Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed", "bf16-true", "64-true"]
Node = dict[str, Any]  # a `_target_` with its arguments


if TYPE_CHECKING:
    _EditsModel: TypeAlias = Strict
    _EditsSampler: TypeAlias = Strict
    _MaybeEditsModel: TypeAlias = Strict
    _MaybeEditsSampler: TypeAlias = Strict
else:  # what edits are set by, under the groups that their keys name
    _EditsModel, _EditsSampler = section("model"), section("sampler")
    _MaybeEditsModel, _MaybeEditsSampler = section("model", nullable=True), section("sampler", nullable=True)


# Where there is a transformer to train, and where there are adapters on it.
_TRANSFORMERS = {"model.kind": ("editor", "base")}
_ADAPTERS = {"model.lora.rank": tuple(range(1, limits.RANK.most + 1))}


class Lora(Strict):
    """Adapters that learn in the place of the weights they sit on; rank 0 is none."""

    rank: Annotated[Rank, Under(_TRANSFORMERS, asks=True)]
    alpha: Annotated[float, Field(gt=0), Under(_ADAPTERS)]
    stream: Annotated[Literal["all", "reference"], Under(_ADAPTERS)]
    targets: Annotated[Annotated[list[Text], Field(min_length=1)] | None, Under(_ADAPTERS)]
    merge: Annotated[bool, Under(_ADAPTERS, asks=True)]


class Model(_EditsModel):
    """What is trained, how it learns, and how it edits."""

    name: Annotated[Text, RUNNING]
    kind: Literal["editor", "codec", "base"]
    paradigm: Annotated[Paradigm, Under(_TRANSFORMERS)]
    attention_injection: Annotated[bool, Under(_TRANSFORMERS)]
    injection_fallback: Annotated[Fallback, Under({"model.attention_injection": False})]
    train_text_encoder: Annotated[bool, Under(_TRANSFORMERS)]
    condition_dropout: Annotated[Fraction, Under(_TRANSFORMERS)]
    full_masking: Annotated[Fraction, Under(_TRANSFORMERS | OF_CODES)]
    edit_masking: Annotated[Fraction, Under({"model.kind": "editor"} | OF_CODES)]
    optimizer: Node
    eight_bit_optimizer: bool
    lora: Lora
    gradient_checkpointing: Annotated[bool, Under(_TRANSFORMERS, asks=True)]
    teacher: Annotated[Text | None, Under({"model.kind": "editor"} | OF_CODES, asks=True)]
    llm: Annotated[Text | None, Under(_TRANSFORMERS, asks=True)]
    warmup_steps: NotNegative
    decay_fraction: Annotated[Fraction, Under(_TRANSFORMERS)]
    # a codec that is brought has its codes, and its decoder alone learns
    continuous_steps: Annotated[
        NotNegative, Under({"model.kind": "codec"}, asks=True), Under({"init_from": None})
    ]
    transformer: Annotated[Node | None, Under(_TRANSFORMERS)]
    vqvae: Annotated[Node | None, Under({"model.kind": "codec"})]
    text_encoder: Annotated[Node | None, Under(_TRANSFORMERS)]


class Lessons(Strict):
    """Shares of the training samples that ask otherwise than plain edits."""

    phrasing: Fraction = 0.0
    noop: Fraction = 0.0
    multi: Fraction = 0.0
    texture: Fraction = 0.0
    overlap: Fraction = 0.0
    small: Fraction = 0.0


class Scenes(Strict):
    """Rendered scenes to learn from."""

    name: Literal["scenes", "scenes_basic"]
    world: Literal["full", "basic"]
    resolution: Resolution
    train_size: Samples
    dev_size: Samples
    batch_size: BatchSize
    seed: Seed
    cache_dir: Annotated[Text, RUNNING]
    lessons: Lessons
    wrong_pairs: Fraction = 0.0


class Columns(Strict):
    """The column of a dataset that holds each part of a pair; None where there is none."""

    source: Text | None
    target: Text
    instruction: Text | None
    caption: Text | None
    mask: Text | None
    hole: Text | None = None
    edit_type: Text | None


class Dataset(Strict):
    """One dataset of edits: where it is, its weight in the mixture and its columns."""

    path: Text | None
    split: Text
    config: Text | None
    revision: Text | None
    ratio: Annotated[float, Field(gt=0)]
    columns: Columns


class Edits(Strict):
    """Datasets of edits to learn from, and how their pictures are cut and read."""

    name: Annotated[str, Field(pattern=NAME)]
    datasets: Annotated[dict[Annotated[str, Field(pattern=NAME)], Dataset], Field(min_length=1)]
    streaming: bool
    resolution: Resolution
    aspect_buckets: Annotated[list[Annotated[float, Field(ge=0.25, le=4)]], Field(min_length=1)] | None
    crops: Positive
    flip: bool
    min_side: Positive
    max_aspect_change: Size
    max_pixels: Positive
    max_bad_share: Fraction
    train_size: Positive | None
    dev_size: Positive
    batch_size: BatchSize
    num_workers: Workers
    seed: Seed
    token_cache: Text | None
    cache_dir: Annotated[Text, RUNNING]


def _kind_of(data: Any) -> str:
    edits = "datasets" in data if isinstance(data, dict) else isinstance(data, Edits)
    return "(edits)" if edits else "(scenes)"


# The tags stand in brackets so that no error names them as if they were keys.
_Data = Annotated[
    Annotated[Scenes, Tag("(scenes)")] | Annotated[Edits, Tag("(edits)")], Discriminator(_kind_of)
]


class Trainer(Strict):
    """How long a training runs, on what, in which precision, and how often it saves and measures."""

    accelerator: Annotated[Literal["auto", "cpu", "gpu", "cuda", "mps"], RUNNING]
    devices: Processes | Literal["auto"]
    strategy: Annotated[Strategy, RUNNING]
    precision: Precision
    max_steps: MaxSteps
    max_time: Annotated[str, Field(pattern=r"^\d\d:\d\d:\d\d:\d\d$")] | None
    gradient_clip_val: Size | None
    accumulate_grad_batches: Positive
    log_every_n_steps: Annotated[Positive, RUNNING]
    val_check_interval: Annotated[Positive | None, RUNNING]
    checkpoint_every_n_steps: Annotated[Positive, RUNNING]
    preview_size: Annotated[Positive, RUNNING]
    num_threads: Annotated[Processes | None, RUNNING]


class Logger(Strict):
    """Where results are logged, and how much of them."""

    name: Literal["wandb", "csv", "none"]
    project: Annotated[str, Field(pattern=r"^[^/\\#?%:]{1,128}$")] | None = None
    entity: Text | None = None
    pictures: NotNegative = 0
    weights: NotNegative = 0


class _CLIP(Strict):
    model: Text
    tag: Text
    weights: Text | None


class _ViT(Strict):
    repository: Text
    weights: Text | None


class _LPIPS(Strict):
    net: Literal["alex", "vgg", "squeeze"]
    weights: Text | None


class _Inception(Strict):
    weights: Text | None


class Metrics(Strict):
    """Which metrics are computed, and the networks that they look through."""

    names: list[Text] | None
    preset: list[Text] | None
    clip: _CLIP
    dino: _ViT
    structure: _ViT
    lpips: _LPIPS
    inception: _Inception


PRIMARY = "edit/success"  # what a sweep is about where no study says it


class Study(Strict):
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
    acts_through: dict[str, dict[str, Any]] = Field(default_factory=dict)
    seeds: Annotated[list[Seed], Field(min_length=1)]
    primary: Text
    baseline: dict[str, Any]
    correction: Literal["holm"]


class LocalizationLayers(Strict):
    """Which blocks' maps are recorded, and scored alone and averaged."""

    split: Literal["test", "dev"]  # that benchmarks of scenes take
    subsets: list[Layers]
    thresholds: list[Fraction]


class _Common(Strict):
    name: Annotated[str, Field(pattern=NAME), RUNNING]
    logger: Annotated[Logger, RUNNING]
    metrics: Annotated[Metrics, Mark.MEASURED]
    benchmark: AnyBenchmark
    seed: Annotated[Seed, REPLICATE]
    reuse: Annotated[bool, RUNNING]
    plan: Annotated[Literal["run", "only"], RUNNING]
    study: Annotated[Study | None, RUNNING] = None
    hold_setup: Annotated[Text | None, PRESET] = None
    speed: Annotated[Text | None, PRESET] = None
    experiment: Annotated[Text | None, RUNNING] = None
    debug: Annotated[Text | None, RUNNING] = None


class Train(_Common):
    """What ``train.py`` reads."""

    task: Literal["train"]
    init_from: Text | None
    resume: Annotated[Text | None, RUNNING]
    model: Model
    data: _Data
    sampler: _EditsSampler
    trainer: Trainer
    callbacks: Node | None = None

    @property
    def edits(self) -> bool:
        """Whether it ends with edits; a codec or a base model makes none."""
        return self.model.kind == "editor"

    @property
    def edit_seed(self) -> int:
        """Of the edits' noise; a training has a seed of its own, so that its cells are edited alike."""
        return self.benchmark.seed


class _EvaluateModel(_MaybeEditsModel):
    attention_injection: bool | None
    injection_fallback: Fallback | None


class Evaluate(_Common):
    """What ``evaluate.py`` reads; None is what the checkpoint was finished with."""

    task: Literal["evaluate"]
    checkpoint: Text
    device: Annotated[Literal["auto", "cpu", "cuda"], RUNNING]
    dtype: Literal["float32", "bfloat16", "float16"]
    text_encoder_afterwards: Annotated[Literal["keep", "offload"], RUNNING]
    model: _EvaluateModel
    sampler: _MaybeEditsSampler
    localization_layers: LocalizationLayers | None = None

    @property
    def edits(self) -> bool:
        """Always: only editors are evaluated."""
        return True

    @property
    def edit_seed(self) -> int:
        """Of the edits' noise."""
        return self.seed


Config: TypeAlias = Train | Evaluate  # of a cell


class Preparation(Strict):
    """Which parts of a token cache a process makes, and how."""

    shard: Annotated[str, Field(pattern=r"^\d+/[1-9]\d*$")]
    part_rows: Positive
    batch_size: BatchSize
    device: Literal["auto", "cpu", "cuda"]


class Prepare(Strict):
    """What ``python -m editmgt.prepare`` reads."""

    task: Literal["prepare"]
    init_from: Text
    model: Model
    data: _Data
    prepare: Preparation


SCHEMAS: dict[str, type[Train] | type[Evaluate] | type[Prepare]] = {
    "train": Train,
    "evaluate": Evaluate,
    "prepare": Prepare,
}


def parse_config(values: Mapping[str, Any]) -> Any:
    """Return a valid configuration as what its command reads: :class:`Train`, :class:`Evaluate` or :class:`Prepare`."""
    return SCHEMAS[values["task"]].model_validate(values)
