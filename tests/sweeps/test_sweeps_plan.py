"""Names and fingerprints by content."""

from copy import deepcopy
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from editmgt.config.schema import Train
from editmgt.errors import UserError
from editmgt.results import RunDirectory
from editmgt.stores.fingerprint import training_fingerprint
from editmgt.stores.identity import identify, training_directory
from editmgt.sweeps.compose import compose_all
from editmgt.sweeps.plan import cell_name, create, make_plan, read_layers
from editmgt.sweeps.todo import outlook

CONF = Path(__file__).parent.parent.parent / "conf"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        container: Any = OmegaConf.to_container(compose("train", overrides=["init_from=null"]), resolve=True)
    return container


def fingerprint_of(config: dict[str, Any]) -> str:
    return training_fingerprint(Train.model_validate(config))


def changed(config: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    config = deepcopy(config)
    *parents, last = key.split(".")
    node = config
    for parent in parents:
        node = node[parent]
    assert node[last] != value
    node[last] = value
    return config


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.region_hold", False),
        ("model.consolidation", False),
        ("model.hold.threshold", 0.7),
        ("model.hold.quantile", 0.7),
        ("model.hold.rule", "otsu"),
        ("model.hold.when", "first_pass"),
        ("model.localization.source", "posterior"),
        ("model.localization.layers", [1]),
        ("model.reference_strength", 2.0),
        ("sampler.steps", 3),
        ("benchmark.size", 3),
        ("logger.name", "csv"),
        ("data.cache_dir", "elsewhere"),
        ("trainer.log_every_n_steps", 77),
        ("name", "other"),
    ],
)
def test_what_only_inference_reads_leaves_the_training_alone(
    config: dict[str, Any], key: str, value: Any
) -> None:
    assert fingerprint_of(changed(config, key, value)) == fingerprint_of(config)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 1),
        ("model.attention_injection", False),
        ("model.condition_dropout", 0.5),
        ("model.optimizer.lr", 1.0),
        ("data.train_size", 3),
        ("trainer.max_steps", 3),
        ("trainer.precision", "32-true"),
        ("callbacks", {"ema": {"_target_": "lightning.pytorch.callbacks.EMAWeightAveraging"}}),
    ],
)
def test_what_training_reads_makes_another_one(config: dict[str, Any], key: str, value: Any) -> None:
    assert fingerprint_of(changed(config, key, value)) != fingerprint_of(config)


def test_how_often_the_dev_loss_is_measured_counts_where_it_ends_a_training(config: dict[str, Any]) -> None:
    stop = {"stop": {"_target_": "lightning.pytorch.callbacks.EarlyStopping", "monitor": "dev/loss"}}
    assert fingerprint_of(changed(config, "trainer.val_check_interval", 7)) == fingerprint_of(config)
    stopping = changed(config, "callbacks", stop)
    assert fingerprint_of(changed(stopping, "trainer.val_check_interval", 7)) != fingerprint_of(stopping)


def test_a_fallback_counts_where_something_falls_back(config: dict[str, Any]) -> None:
    never = changed(config, "model.injection_fallback", "none")
    assert fingerprint_of(never) == fingerprint_of(config)
    off, off_never = (changed(c, "model.attention_injection", False) for c in (config, never))
    assert fingerprint_of(off) != fingerprint_of(off_never)


def test_a_checkpoint_to_go_on_from_counts_unless_it_is_the_trainings_own(
    config: dict[str, Any], tmp_path: Path
) -> None:
    own = fingerprint_of(config)
    paths = [tmp_path / name / "checkpoints" / "last.ckpt" for name in (own, "other", "copy", "another")]
    for path, content in zip(paths, "abbc", strict=True):
        path.parent.mkdir(parents=True)
        path.write_text(content)
    mine, other, copy, another = (fingerprint_of(config | {"resume": str(path)}) for path in paths)
    assert mine == own == fingerprint_of(config | {"resume": "auto"})
    assert other == copy and len({own, other, another}) == 3


@pytest.mark.parametrize("key", ["init_from", "model.llm", "model.teacher"])
def test_weights_that_are_read_count_by_content(config: dict[str, Any], tmp_path: Path, key: str) -> None:
    first, copy, other = (tmp_path / name for name in ("first", "copy", "other"))
    for directory, content in ((first, "a"), (copy, "a"), (other, "b")):
        directory.mkdir()
        (directory / "weights.safetensors").write_text(content)
    prints = [fingerprint_of(changed(config, key, str(path))) for path in (first, copy, other)]
    assert prints[0] == prints[1] != prints[2]


def test_cells_are_named_by_what_varies() -> None:
    overrides = ["seed=0", "model.region_hold=True", "model.hold.threshold=0.2"]
    varying = ["model.region_hold", "model.hold.threshold"]
    assert cell_name(overrides, varying) == "region_hold-true__threshold-0.2"
    assert cell_name(["a.x=1", "b.x=2"], ["a.x", "b.x"]) == "a.x-1__b.x-2"
    long = cell_name(["checkpoint=" + "some/dir" * 30], ["checkpoint"])
    assert len(long) < 120 and "/" not in long and "=" not in long
    assert cell_name(["c=a/b"], ["c"]) != cell_name(["c=a-b"], ["c"])


def test_the_same_sweep_has_the_same_directory_and_a_run_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    base = [f"checkpoint='{tiny_bundle}'", "debug=few"]

    def plan(extra: list[str], multirun: bool) -> Any:
        return make_plan("evaluate", compose_all(CONF, "evaluate", [*base, *extra], multirun), multirun)

    sweep = plan(["model.region_hold=true,false"], True)
    assert plan(["model.region_hold=true,false"], True).directory == sweep.directory
    assert plan(["model.region_hold=true,false", "sampler.steps=3"], True).directory != sweep.directory
    assert list(sweep.cells) == ["region_hold-true", "region_hold-false"]
    assert list(tmp_path.iterdir()) == []  # planning creates nothing
    composition = compose_all(CONF, "evaluate", base, False)
    runs = [create(plan([], False), composition, layers=[1, 2]).directory for _ in range(3)]
    assert read_layers(runs[0]) == {1, 2}
    assert len(set(runs)) == 3
    named = f"hydra.run.dir={runs[0]}"
    assert plan([named], False).directory == runs[0]  # the very command goes on there
    with pytest.raises(UserError, match="not empty"):
        plan([named, "sampler.steps=3"], False)


def test_an_interrupted_command_is_the_same_with_resume_auto(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    base = [
        f"init_from='{tiny_bundle}'",
        "model.localization.layers=[1,2]",
        "model.localization.single_layer=2",
    ]

    def plan(extra: list[str], multirun: bool) -> Any:
        composition = compose_all(CONF, "train", [*base, *extra], multirun)
        return make_plan("train", composition, multirun), composition

    sweep, named = ["model.region_hold=true,false"], ["hydra.run.dir=mine"]
    assert plan([*sweep, "resume=auto"], True)[0].directory == plan(sweep, True)[0].directory
    create(*plan(named, False), layers=[1, 2])
    create(*plan([*named, "resume=auto"], False), layers=[1, 2])
    create(*plan(named, False), layers=[1, 2])
    with pytest.raises(UserError, match="not empty"):
        plan([*named, "seed=1"], False)


def test_a_directory_may_refer_to_settings_and_be_changed_in_conf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path
) -> None:
    """Hydra reads it again for each cell, and must then find the directory that was planned."""
    monkeypatch.setenv("SCRATCH", str(tmp_path))
    base = [f"checkpoint='{tiny_bundle}'", "seed=3", "name=mine"]

    def planned(conf: Path, multirun: bool, *more: str) -> Path:
        return make_plan(
            "evaluate", compose_all(conf, "evaluate", [*base, *more], multirun), multirun
        ).directory

    assert planned(CONF, False, "hydra.run.dir='${oc.env:SCRATCH}/${name}-${seed}'") == tmp_path / "mine-3"
    sweep = ("model.region_hold=true,false", "hydra.sweep.dir='${oc.env:SCRATCH}/${name}'")
    assert planned(CONF, True, *sweep) == tmp_path / "mine"
    with pytest.raises(UserError, match="Environment variable 'NOT_THERE' not found"):
        planned(CONF, False, "hydra.run.dir='${oc.env:NOT_THERE}/x'")
    conf = copytree(CONF, tmp_path / "conf")
    text = (conf / "evaluate.yaml").read_text()
    (conf / "evaluate.yaml").write_text(text.replace("dir: outputs/", "dir: /elsewhere/"))
    assert planned(conf, False) == Path("/elsewhere/runs/mine")
    assert planned(conf, True, sweep[0]).parent == Path("/elsewhere/sweeps")


def test_a_plan_says_continue_of_what_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path
) -> None:
    """Rows of other code or weights are not: that cell begins again."""
    monkeypatch.chdir(tmp_path)
    arguments = [f"checkpoint='{tiny_bundle}'", "debug=few", "model.region_hold=true,false"]
    composition = compose_all(CONF, "evaluate", arguments, True)
    plan = make_plan("evaluate", composition, True)
    for name, cell, code in zip(
        plan.cells, composition.cells, ({}, {"protocol_fingerprint": "x"}), strict=True
    ):
        RunDirectory(plan.cell_directory(name)).write_status("running", **(identify(cell.config) | code))
    first, second = outlook(plan, composition).splitlines()[1:]
    assert first.split() == ["continue", "region_hold-true"] and second.split() == [
        "run",
        "region_hold-false",
    ]


def test_what_is_not_reused_is_its_owners_alone(config: dict[str, Any]) -> None:
    """Two directories of one name, or a new one in the place of one that was deleted, share nothing."""
    alone = Train.model_validate(config | {"reuse": False})
    first, second = (training_directory(alone, Path(name)) for name in ("a/run", "b/run"))
    assert first.is_relative_to("a/run") and second.is_relative_to("b/run")


def test_equal_numbers_make_one_training(config: dict[str, Any]) -> None:
    whole, fraction = (changed(config, "model.optimizer.weight_decay", value) for value in (1, 1.0))
    assert fingerprint_of(whole) == fingerprint_of(fraction)
