"""Cells composed from files that are read once are those that Hydra composes one by one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from editmgt.errors import UserError
from editmgt.sweeps import composer
from editmgt.sweeps.composer import Composer

CONF = Path(__file__).parents[2] / "conf"
CHOICES = {
    "data": ["scenes", "scenes_basic"],
    "experiment": ["tiny_editor_lessons", "components"],
    "seed": ["1", "7"],
    "init_from": ["null", "tiny_editor", "'a, b'"],
    "model.region_hold": ["true", "false"],
    "model.localization.layers": ["[1,2]", "[]"],
    "model.optimizer.betas": ["[0.8,0.9]"],
    "data.lessons": ["{noop: 0.5}", "null"],
    "data.resolution": ["${model.resolution}", "32"],
    "++model.hold.threshold": ["0.2"],
    "+model.optimizer.amsgrad": ["true"],
    "~logger": [""],
    "name": ["'${model.name}-x'", "plain"],
}


@pytest.fixture(scope="module", autouse=True)
def conf() -> Iterator[None]:
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        yield


@pytest.fixture(scope="module")
def cells() -> Composer:
    return Composer(CONF, "train")


@st.composite
def commands(draw: st.DrawFn) -> list[str]:
    keys = draw(st.lists(st.sampled_from(sorted(CHOICES)), unique=True, max_size=6))
    values = {key: draw(st.sampled_from(CHOICES[key])) for key in keys}
    return [f"{key}={value}" if value else key for key, value in values.items()]


@given(commands())
@settings(max_examples=15)
def test_composes_as_hydra_does(cells: Composer, arguments: list[str]) -> None:
    assert raw(cells.compose(arguments)) == raw(compose("train", overrides=arguments))


def raw(config: Any) -> Any:
    return OmegaConf.to_container(config)


def test_a_cell_leaves_no_trace_in_the_next(cells: Composer) -> None:
    before = raw(cells.compose(["seed=1"]))
    cells.compose(["seed=2", "model.localization.layers=[0]"])
    assert raw(cells.compose(["seed=1"])) == before


def test_files_are_read_once_for_all_cells_that_take_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    monkeypatch.setattr(composer, "compose", lambda *a, **k: read.append(k["overrides"]) or compose(*a, **k))
    cells = Composer(CONF, "train")
    for data in CHOICES["data"]:
        for seed in range(5):
            cells.compose([f"data={data}", f"seed={seed}"])
    assert read == [["data=scenes"], ["data=scenes_basic"]]


@pytest.mark.parametrize("wrong", ["model.nothing=1", "seed.x=1", "model.optimizer.lr.low=1"])
def test_what_cannot_be_set_is_said_on_one_line(cells: Composer, wrong: str) -> None:
    with pytest.raises(UserError) as error:
        cells.compose([wrong])
    assert "\n" not in str(error.value)
