"""Every file of conf/ composes, validates and instantiates; what is wrong is told by key, value and choice."""

import json
import shutil
from copy import deepcopy
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from hydra import compose, initialize_config_dir
from lightning import Trainer
from lightning.pytorch.strategies import StrategyRegistry
from omegaconf import OmegaConf

from editmgt import assets
from editmgt import config as schema
from editmgt.codec import Codec
from editmgt.config.edit_values import config_key, edit_values
from editmgt.config.presets import presets
from editmgt.config.schema import Strategy, Train
from editmgt.editing import EditSettings
from editmgt.editing.bundle import check_parts
from editmgt.sweeps.compose import settle
from editmgt.training.callbacks import chosen_callbacks
from editmgt.training.codec_module import CodecModule
from editmgt.training.optimizers import optimizer_maker
from editmgt.training.parts import fresh_text_encoder, fresh_transformer, fresh_vqvae, reference_mode

CONF = Path(__file__).parent.parent / "conf"
GROUPS = sorted(
    (path.parent.name, path.stem) for path in CONF.glob("*/*.yaml") if path.parent.name != "hydra"
)
EVALUATE_ONLY = {("sampler", "checkpoint"), ("experiment", "localization_layers")}
EVALUATE_ONLY |= {("experiment", "speed_switches")}
ABOUT_WEIGHTS = ("init_from=", "checkpoint=")  # judged elsewhere: shipped weights may not be there


def composed(task: str, *overrides: str) -> dict[str, Any]:
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        container = OmegaConf.to_container(compose(task, overrides=list(overrides)), resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def wrong(config: dict[str, Any]) -> list[str]:
    return [line for line in schema.problems(config) if not line.startswith(ABOUT_WEIGHTS)]


def names(group: str) -> list[str]:
    return sorted(path.stem for path in CONF.glob(f"{group}/*.yaml"))


def needed(*chosen: str) -> list[str]:
    """What only a user knows: where their own files lie."""
    data = ["data.datasets.folder.path=."] if chosen[0] == "folder" else []
    own = {"folder", "anybench", "imgedit", "pie_bench", "gide", "dlebench"}
    return data + (["benchmark.path=."] if chosen[-1] in own else [])


@pytest.mark.parametrize("data", names("data"))
def test_every_data_set_composes_with_every_model_and_its_default_benchmark(data: str) -> None:
    for model in names("model"):
        config = composed("train", f"data={data}", f"model={model}", *needed(data))
        found = [line for line in wrong(config) if "init_from" not in line and "columns.caption" not in line]
        assert found == [], model


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("data", names("data"))
def test_what_is_validated_says_what_was_composed(data: str) -> None:
    config = composed("train", f"data={data}", *needed(data))
    assert Train.model_validate(config).model_dump(exclude_unset=True) == config


@pytest.mark.parametrize("benchmark", names("benchmark"))
def test_every_benchmark_composes_with_every_data_set(benchmark: str) -> None:
    metrics = composed("evaluate", f"benchmark={benchmark}", *needed("", benchmark))["metrics"]
    for data in names("data"):
        config = composed("train", f"data={data}", f"benchmark={benchmark}", *needed(data, benchmark))
        assert wrong(config) == [], data
        assert config["metrics"] == metrics, data


def test_a_protocols_metrics_give_way_to_an_experiments(tmp_path: Path) -> None:
    conf = tmp_path / "conf"
    shutil.copytree(CONF, conf)
    (conf / "experiment" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /data: magicbrush\n  - override /metrics: perceptual\n"
    )
    with initialize_config_dir(version_base="1.3", config_dir=str(conf)):
        config = compose("train", overrides=["experiment=mine"])
        assert config.benchmark.name == "magicbrush"
        assert config.metrics == compose("train", overrides=["metrics=perceptual"]).metrics


def test_a_column_that_a_model_learns_from_is_named() -> None:
    changes = ["data.datasets.folder.path=.", "data.datasets.folder.columns.instruction=null"]
    told = "data.datasets.folder.columns.instruction=null, but a model of kind editor learns from it."
    assert told in wrong(composed("train", "data=folder", *changes))


def test_the_published_layout_of_ultraedit() -> None:
    """As its card says: splits FreeForm_0, FreeForm_1 ...; ``mask_image`` is null in every row."""
    dataset = composed("train", "data=ultraedit")["data"]["datasets"]["ultraedit"]
    assert dataset["split"] == "FreeForm_0" and dataset["columns"]["mask"] is None
    assert dataset["columns"]["caption"] == "target_caption"


@pytest.mark.parametrize(("group", "name"), GROUPS)
def test_every_file_composes_validates_and_instantiates(group: str, name: str, tmp_path: Path) -> None:
    task = "evaluate" if (group, name) in EVALUATE_ONLY else "train"
    chosen = {"data": (name,), "benchmark": ("", name)}.get(group, ("",))
    if name == "lora_on_your_pairs":
        chosen = ("folder", "folder")
    config = composed(task, f"{group}={name}", *needed(*chosen))
    found = [line for line in wrong(config) if not (group == "model" and "init_from" in line)]
    assert found == []
    if task == "evaluate":
        return
    validated = Train.model_validate(config)
    settle(validated)
    model, trainer = validated.model, validated.trainer
    make = optimizer_maker(model.optimizer, model.eight_bit_optimizer)
    [parameters] = make([{"params": [torch.nn.Parameter(torch.zeros(1))]}]).param_groups
    assert parameters["lr"] == model.optimizer["lr"]
    # the strategy is made on the CPU as for GPUs; the schema knows the accelerators
    Trainer(
        accelerator="cpu",
        **trainer.model_dump(include={"devices", "strategy", "precision", "max_steps", "max_time"}),
        callbacks=chosen_callbacks(validated.callbacks),
        default_root_dir=tmp_path,
        logger=False,
    )
    if model.vqvae is not None:
        CodecModule(fresh_vqvae(model.vqvae), make)
    if model.transformer is not None:
        with torch.device("meta"):
            transformer = fresh_transformer(model.transformer, reference_mode(model))
        if model.text_encoder is not None:
            codec = Codec(fresh_vqvae(composed("train", "model=tiny_codec")["model"]["vqvae"]))
            check_parts(codec, fresh_text_encoder(model.text_encoder), transformer)


@pytest.mark.parametrize("name", ["editmgt_1024", "meissonic_1024", "meissonic_512"])
def test_a_released_model_has_the_released_sizes(golden: Path, name: str) -> None:
    released = json.loads((golden / f"{name}.state_dict.json").read_text())["config"]
    node = composed("train", f"model={name}")["model"]["transformer"]
    assert node == released | {"_target_": "editmgt.model.MGTransformer"}


@pytest.mark.parametrize("data", names("data"))
def test_prepare_composes(data: str) -> None:
    if data.startswith("scenes"):
        [line] = wrong(composed("prepare", f"data={data}"))
        assert "nothing is to prepare" in line
    else:
        more = ["data.datasets.folder.path=."] if data == "folder" else []
        assert wrong(composed("prepare", f"data={data}", "data.token_cache=codes", *more)) == []


@pytest.mark.parametrize("task", ["train", "evaluate"])
def test_a_speed_and_another_way_to_hold_are_not_mixed(task: str) -> None:
    [line] = schema.problems(composed(task, "hold_setup=otsu_first", "speed=fast"))
    assert line.startswith(
        "speed=fast holds in its own way, and hold_setup=otsu_first in another: leave one out."
    )
    assert schema.problems(composed(task, "hold_setup=otsu_first", "speed=quality")) == []


@pytest.mark.parametrize("group", ["hold_setup", "speed"])
def test_a_way_to_hold_that_is_asked_for_counts_before_an_experiments_own(group: str) -> None:
    for name, preset in presets(group).items():
        chosen = composed("train", "experiment=tiny_editor_lessons_finish", f"{group}={name}")
        values = edit_values(chosen)
        assert {key: values[key] for key in preset} == preset, name


def test_the_study_of_shortcuts_holds_as_the_preset_that_it_names() -> None:
    values, preset = edit_values(composed("evaluate", "experiment=speed_switches")), presets("hold_setup")
    assert {key: values[key] for key in preset["posterior_first"]} == preset["posterior_first"]


def test_evaluate_composes_with_every_preset_it_shares() -> None:
    for override in ("debug=few", "sampler=published", "benchmark=scenes_basic", "logger=none"):
        assert wrong(composed("evaluate", override)) == []


def test_a_protocol_brings_its_metrics_and_the_command_line_wins() -> None:
    brought = composed("evaluate", "benchmark=magicbrush_final")["metrics"]
    assert brought["preset"] and brought == composed("evaluate", "metrics=magicbrush")["metrics"]
    assert composed("evaluate", "benchmark=emu_edit", "metrics=default")["metrics"]["preset"] is None


def test_the_benchmark_is_of_the_world_that_is_trained_on() -> None:
    assert composed("train")["benchmark"]["world"] == "full"
    assert composed("train", "data=scenes_basic")["benchmark"]["world"] == "basic"


@pytest.fixture(scope="module")
def train_config() -> dict[str, Any]:
    return composed("train")


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("model.region_hold", "maybe", "model.region_hold=maybe must be true or false."),
        (
            "model.hold.rule",
            "otzu",
            "model.hold.rule=otzu must be one of hysteresis, likelihood, otsu, quantile, threshold. Did you mean 'otsu'?",
        ),
        (
            "model.hold.rule",
            ["otsu"],
            "model.hold.rule=[otsu] must be one of hysteresis, likelihood, otsu, quantile, threshold.",
        ),
        ("model.hold.quantile", -1.0, "model.hold.quantile=-1.0 must be at least 0."),
        (
            "model.hold.rule",
            "likelihood",
            "model.hold.rule=likelihood needs model.localization.source=posterior, not attention.",
        ),
        ("model.hold.threshold", 1.5, "model.hold.threshold=1.5 must be at most 1."),
        ("sampler.steps", 0, "sampler.steps=0 must be at least 1."),
        ("sampler.schedule", "cosin", "must be one of cosine, linear. Did you mean 'cosine'?"),
        ("model.injection_fallback", "imput", "must be one of input, none. Did you mean 'input'?"),
        ("model.regionhold", True, "Unknown key 'model.regionhold'. Did you mean 'region_hold'?"),
        ("trainer.max_time", "5 minutes", "must be days:hours:minutes:seconds"),
        ("trainer.strategy", "dpp", "trainer.strategy=dpp must be one of auto, single_device, ddp,"),
        ("trainer.val_check_interval", 0.5, "trainer.val_check_interval=0.5 must be a whole number."),
        (
            "trainer.precision",
            "atuo",
            "must be one of auto, 32-true, bf16-mixed, 16-mixed, bf16-true, 64-true. Did you",
        ),
        ("data.resolution", 128, "data.resolution=128 is not model.resolution=64."),
        ("data.lessons.noop", 1.5, "data.lessons.noop=1.5 must be at most 1."),
        ("data.lessons.nop", 0.5, "Unknown key 'data.lessons.nop'. Did you mean 'noop'?"),
        ("data.lessons", {"noop": 0.6, "multi": 0.6}, "data.lessons: the shares add up to 1.2;"),
        ("seed", 1.5, "seed=1.5 must be a whole number."),
        (
            "model.optimizer._target_",
            "os.system",
            "model.optimizer._target_=os.system must be one of torch.optim.Ada",
        ),
        (
            "callbacks",
            {"x": {"_target_": "torch.hub.load"}},
            "callbacks.x._target_=torch.hub.load must be one of lightning.pytorch.callbacks.",
        ),
    ],
)
def test_a_mistake_is_one_line(train_config: dict[str, Any], key: str, value: Any, line: str) -> None:
    config = deepcopy(train_config)
    *parents, last = key.split(".")
    node = config
    for parent in parents:
        node = node[parent]
    node[last] = value
    [found] = wrong(config)
    assert line in found and "\n" not in found


def test_lightning_knows_every_strategy() -> None:
    known = {"auto", *StrategyRegistry.available_strategies()}
    assert set(get_args(Strategy)) <= known


def test_contradictions_are_told_together(train_config: dict[str, Any]) -> None:
    config = deepcopy(train_config) | {"resume": "auto", "reuse": False, "init_from": None}
    config["trainer"] |= {"max_steps": -1, "max_time": None}
    found = "\n".join(schema.problems(config))
    assert (
        "would never end" in found and "choose one" in found and "init_from=null: name the weights" in found
    )


@pytest.mark.parametrize("task", ["train", "evaluate"])
def test_every_setting_of_an_edit_is_in_the_configuration(task: str) -> None:
    values = schema.edit_values(composed(task))
    assert {*values, "negative_prompt"} == {field.name for field in fields(EditSettings)}
    assert {config_key(name) for name in values if name.startswith(("hold_", "map_"))} == {
        "model.localization.source", "model.hold.rule", "model.hold.when", "model.hold.threshold", "model.hold.peak", "model.hold.quantile",
    }  # fmt: skip


@pytest.mark.parametrize("task", ["train", "evaluate"])
def test_a_map_of_guidance_needs_some(task: str) -> None:
    asked = ["model.localization.source=guidance", "sampler.guidance_scale=1"]
    assert wrong(composed(task, *asked)) == [
        "model.localization.source=guidance compares with an unconditional pass: sampler.guidance_scale=1 must be more "
        "than 1."
    ]


def test_a_checkpoint_and_a_switch_that_contradict_it(tiny_bundle: Path) -> None:
    config = composed(
        "evaluate",
        f"checkpoint='{tiny_bundle}'",
        "model.attention_injection=false",
        "model.localization.single_layer=9",
    )
    injection, layer = schema.problems(config)
    assert (
        "model.attention_injection=false contradicts" in injection and "attention_injection=true" in injection
    )
    assert "blocks 0 to 3" in layer


def test_a_flows_checkpoint_has_no_probabilities_of_codes(tmp_path: Path) -> None:
    shutil.copytree(assets.path("tiny_editor"), tmp_path / "flow")
    sizes = tmp_path / "flow/transformer/config.json"
    sizes.write_text(json.dumps({**json.loads(sizes.read_text()), "latent_channels": 16}))
    checkpoint = f"checkpoint='{tmp_path / 'flow'}'"
    assert wrong(composed("evaluate", checkpoint)) == []
    [line] = wrong(composed("evaluate", checkpoint, "model.localization.source=posterior"))
    assert line.startswith("model.localization.source=posterior reads probabilities of codes, which a flow")


def test_a_directory_to_resume_from_is_answered_with_its_checkpoint(
    train_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    training, run = Path("outputs/trainings/abc"), Path("outputs/runs/train-0001")
    (training / "editor").mkdir(parents=True)
    (training / "checkpoints").mkdir()
    (training / "checkpoints" / "last.ckpt").touch()
    (run / "checkpoints").mkdir(parents=True)
    (run / "checkpoints" / "editor").symlink_to("../../../trainings/abc/editor")
    checkpoint = training / "checkpoints" / "last.ckpt"
    for directory, hint in ((run, f" Its checkpoint is {checkpoint}."), (training, f" Its checkpoint is {checkpoint}."),
                            (Path("outputs"), "")):  # fmt: skip
        [found] = wrong(train_config | {"resume": str(directory)})
        assert found == f"resume={directory} is a directory: name a checkpoint, a file.{hint}"
    assert not wrong(train_config | {"resume": str(checkpoint)})


def test_a_codec_is_made_or_brought(tiny_bundle: Path) -> None:
    [found] = schema.problems(composed("train", "experiment=tiny_codec", f"init_from='{tiny_bundle}'"))
    assert found.startswith("model.vqvae describes a codec from nothing and init_from=")
    assert not schema.problems(
        composed("train", "experiment=tiny_codec_decoder", f"init_from='{tiny_bundle}'")
    )


@pytest.mark.parametrize(
    "experiment",
    [
        "editmgt_stage2",
        "editmgt_stage3",
        "tiny_codec_decoder",
        "tiny_editor_plain",
        "tiny_editor_finish",
        "tiny_editor_last",
        "tiny_editor_whole",
        "tiny_editor_place",
    ],
)
def test_a_later_stage_starts_from_nothing_but_what_is_given(experiment: str) -> None:
    """Hydra's ``???`` would not do: merged over another value it leaves that value."""
    [found] = schema.problems(composed("train", f"experiment={experiment}"))
    assert found.startswith("init_from=null: name the weights to start from")


def test_nothing_but_a_codec_starts_from_nothing() -> None:
    config = composed("train", "experiment=tiny_base", "init_from=null")
    config["model"]["vqvae"] = composed("train", "experiment=tiny_codec")["model"]["vqvae"]
    assert [line.split(":")[0] for line in schema.problems(config)] == ["init_from=null"]
