"""Classes in a configuration: exact ones, each at its own key, and nothing inside their arguments."""

from copy import deepcopy
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch.callbacks import Callback
from omegaconf import OmegaConf
from test_config import composed
from torch.optim import Optimizer

from editmgt.config import hydra_problems, problems
from editmgt.config.targets import CALLBACKS, OPTIMIZERS, class_and_arguments, target_problems
from editmgt.errors import UserError
from editmgt.training import worker

TRAIN = composed("train", "callbacks=ema")
PREPARE = composed("prepare", "data.datasets.folder.path=.", "data.token_cache=codes")
ALLOWED = "torch.optim.AdamW"  # even a class that is allowed elsewhere
NODES = st.sampled_from(["os.getcwd", "torch.optim.AdamW", "editmgt.files.read_json", "torch.nn.Linear", ""])


@pytest.mark.parametrize(("names", "base"), [(OPTIMIZERS, Optimizer), (CALLBACKS, Callback)])
def test_what_is_allowed_is_what_its_key_is_for(names: tuple[str, ...], base: type) -> None:
    for name in names:
        module, _, last = name.rpartition(".")
        assert issubclass(getattr(import_module(module), last), base)


def test_the_shipped_configurations_are_allowed() -> None:
    assert target_problems(TRAIN) == [] and target_problems(PREPARE) == []
    assert target_problems(composed("train", "model=tiny_base")) == []


@given(
    place=st.sampled_from(["model.optimizer", "callbacks.ema", "data", "sampler", "benchmark", "study", ""]),
    path=st.lists(st.sampled_from(["x", "y", 0]), min_size=1, max_size=4),
    target=NODES,
    reserved=st.sampled_from(["_target_", "_args_", "_partial_", "_convert_", "_recursive_"]),
)
def test_nothing_is_named_below_the_class_of_a_key(
    place: str, path: list[Any], target: str, reserved: str
) -> None:
    inner: Any = {reserved: target}
    for step in reversed(path[1:]):
        inner = [inner] if step == 0 else {step: inner}
    config = deepcopy(TRAIN)
    node = config
    for name in filter(None, place.split(".")):
        node[name] = node[name] or {}
        node = node[name]
    node["argument"] = inner
    [line] = target_problems(config)
    assert line.startswith(f"{place}.argument".lstrip(".")) and f"{reserved}={target}" in line


@pytest.mark.parametrize("key", ["_args_", "_convert_", "_recursive_", "_partial_"])
@pytest.mark.parametrize("config", [TRAIN, PREPARE], ids=["train", "prepare"])
def test_hydras_other_words_are_refused_beside_a_class(config: dict[str, Any], key: str) -> None:
    changed = deepcopy(config)
    changed["model"]["optimizer"][key] = [1]
    [line] = problems(changed)
    assert line.startswith(f"model.optimizer.{key}=[1]: ")


@pytest.mark.parametrize(
    ("key", "target"),
    [
        ("model.optimizer", "torch.optim.LBFGS"),
        ("model.optimizer", "torch.optim.lr_scheduler.StepLR"),
        ("model.optimizer", "torch.load"),
        ("model.optimizer", ["torch.optim.AdamW"]),
        ("model.optimizer", None),
        ("callbacks.ema", "lightning.pytorch.callbacks.LambdaCallback"),
        ("callbacks.ema", "editmgt.training.run.Path"),
        ("callbacks.ema", "torch.optim.AdamW"),
        ("model.transformer", "editmgt.prepare.main"),
    ],
)
def test_other_names_are_refused_at_the_keys_that_name_a_class(key: str, target: Any) -> None:
    config = deepcopy(TRAIN)
    section, name = key.split(".")
    config[section][name] = (config[section][name] or {}) | {"_target_": target}
    [line] = target_problems(config)
    assert line.startswith(f"{key}._target_=") and "must be one of" in line


def test_a_class_that_is_not_allowed_is_not_even_imported() -> None:
    with pytest.raises(ValueError, match=r"no\.such\.module\.Thing is not one of"):
        class_and_arguments({"_target_": "no.such.module.Thing"}, OPTIMIZERS)


def test_a_stored_configuration_is_checked_before_it_is_trained(tmp_path: Path) -> None:
    config = deepcopy(TRAIN)
    config["model"]["optimizer"]["betas"] = {"_target_": "builtins.list"}
    OmegaConf.save(OmegaConf.create(config), tmp_path / "config.yaml")
    with pytest.raises(UserError, match=r"model\.optimizer\.betas\._target_=builtins\.list"):
        worker.main(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
    (tmp_path / "config.yaml").write_text("task: other\n")
    with pytest.raises(UserError, match=r"task=other must be one of train"):
        worker.main(tmp_path)


@pytest.mark.parametrize(
    ("path", "value", "fine"),
    [
        ("launcher._target_", "hydra._internal.core_plugins.basic_launcher.BasicLauncher", True),
        ("launcher._target_", "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher", True),
        ("launcher._target_", "hydra.utils.call", False),
        ("sweeper.sampler._target_", "optuna.samplers.TPESampler", True),
        ("sweeper.sampler.x._target_", "optuna.samplers.TPESampler", False),
        ("sweeper.custom_search_space", "some.function", False),
        ("callbacks.x._target_", "hydra.experimental.callbacks.LogJobReturnCallback", True),
        ("callbacks.x._target_", "some.Callback", False),
        ("job_logging.handlers.x.class", "logging.StreamHandler", True),
        ("job_logging.handlers.x.class", "some.Handler", False),
        ("job_logging.handlers.x.()", "some.function", False),
    ],
)
def test_what_hydra_itself_would_make(path: str, value: str, fine: bool) -> None:
    node: Any = value
    for name in reversed(path.split(".")):
        node = {name: node}
    found = hydra_problems(node)
    assert found == [] if fine else len(found) == 1 and found[0].startswith(f"hydra.{path}={value} ")
