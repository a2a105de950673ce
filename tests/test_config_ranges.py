"""Numbers: finite everywhere, and no larger than what can run; the command of an edit has the same limits."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from test_config import composed

from editmgt import limits
from editmgt.config import problems
from editmgt.editing.edit_command import main
from editmgt.editing.settings import EditSettings
from editmgt.editing.settings_problems import validate
from editmgt.errors import UserError

TRAIN = composed("train", "model=tiny_base", "callbacks=ema", "benchmark=gedit")
EVALUATE = composed("evaluate")


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(node, dict | list):
        for name, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(value, (*path, name))
    else:
        yield path


def changed(config: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    config = deepcopy(config)
    node: Any = config
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = value
    return config


@pytest.mark.parametrize("config", [TRAIN, EVALUATE], ids=["train", "evaluate"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")], ids=str)
def test_no_number_is_infinite(config: dict[str, Any], value: float) -> None:
    for path in leaves(config):
        found = problems(changed(config, path, value))
        key = ".".join(map(str, path))
        assert any(line.startswith((f"{key}={value} ", f"{key}={value}:")) for line in found), key


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 2**32),
        ("benchmark.seed", 2**32),
        ("data.seed", 2**40),
        ("benchmark.size", 10**9),
        ("sampler.steps", 100_000),
        ("sampler.guidance_scale", 1e38),
        ("sampler.temperature", [1e30, 0.0]),
        ("sampler.draw_temperature", 1e30),
        ("model.reference_strength", 1e30),
        ("model.resolution", 100_000),
        ("model.lora.rank", 10**6),
        ("data.batch_size", 10**9),
        ("trainer.devices", 10**6),
        ("trainer.max_steps", 10**30),
        ("benchmark.judge.timeout", 1e30),
        ("benchmark.judge.parallel", 10**6),
    ],
)
def test_what_cannot_finish_or_fit_is_told_with_the_reason(key: str, value: Any) -> None:
    found = problems(changed(TRAIN, tuple(key.split(".")), value))
    assert len(found) == 1 and found[0].startswith(key) and "must be at most" in found[0] and ": " in found[0]


def test_limits_leave_room_for_what_is_published_and_tried() -> None:
    for key, value in (("seed", 2**32 - 1), ("sampler.steps", 1000), ("sampler.guidance_scale", 100.0)):
        assert not [line for line in problems(changed(EVALUATE, tuple(key.split(".")), value)) if key in line]
    validate(EditSettings(steps=1000, guidance_scale=100.0, reference_strength=50.0, resolution=4096))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", limits.STEPS.most + 1),
        ("guidance_scale", 1e38),
        ("reference_strength", 1e30),
        ("temperature", (0.0, 1e30)),
        ("resolution", 100_000),
    ],
)
def test_an_edits_settings_have_the_same_limits(name: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"{name}.*=.* must be at most [\d,]+: "):
        validate(EditSettings().override(**{name: value}))


@pytest.mark.parametrize(
    ("seed", "rule"), [(-1, "must be a whole number of at least 0"), (2**32, "must be at most 4,294,967,295")]
)
def test_the_seed_of_an_edit(seed: int, rule: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nowhere.png", "make it red", "--output", "out.png", "--seed", str(seed)]) == 2
    assert f"--seed={seed} {rule}" in capsys.readouterr().err


def test_empty_texts_are_told() -> None:
    assert problems(changed(EVALUATE, ("checkpoint",), "")) == ["checkpoint= must not be empty."]
