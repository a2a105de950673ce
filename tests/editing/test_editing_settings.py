import json
from typing import Any

import pytest

from editmgt.editing.settings import EditSettings
from editmgt.editing.settings_problems import validate
from editmgt.errors import UserError

TINY = EditSettings(layers=(1, 2), single_layer=2, resolution=64)


def test_defaults_are_the_published_ones() -> None:
    validate(EditSettings(), num_blocks=42, multiple=32)


@pytest.mark.parametrize(
    ("changes", "averaged", "smoothing"),
    [
        ({}, True, "adaptive"),
        ({"consolidation": False}, False, "none"),
        ({"average": False}, False, "adaptive"),
        ({"smoothing": "none"}, True, "none"),
        ({"consolidation": False, "average": True}, True, "none"),
        ({"consolidation": False, "smoothing": "gaussian"}, False, "gaussian"),
    ],
)
def test_consolidation_is_two_things(changes: dict[str, Any], averaged: bool, smoothing: str) -> None:
    settings = TINY.override(**changes)
    assert (settings.averaged, settings.map_smoothing) == (averaged, smoothing)
    assert settings.map_layers == ((1, 2) if averaged else (2,))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps": 0}, "steps=0"),
        ({"steps": 2.5}, "steps=2.5"),
        ({"steps": True}, "steps=true"),
        ({"guidance_scale": -1.0}, "guidance_scale=-1.0"),
        ({"guidance_scale": "high"}, "guidance_scale=high"),
        ({"reference_strength": float("inf")}, "reference_strength=inf"),
        ({"reference_strength": -0.1}, "reference_strength=-0.1"),
        ({"reference_strength_scope": "images"}, "Did you mean 'image'?"),
        ({"hold_threshold": 1.5}, "hold_threshold=1.5"),
        ({"hold_threshold": float("nan")}, "hold_threshold=nan"),
        ({"schedule": "cosin"}, "Did you mean 'cosine'?"),
        ({"smoothing": "adaptiv"}, "Did you mean 'adaptive'?"),
        ({"region_hold": "maybe"}, "region_hold=maybe"),
        ({"consolidation": 1}, "consolidation=1"),
        ({"average": "yes"}, "average=yes"),
        ({"temperature": (2.0,)}, "temperature=[2.0]"),
        ({"temperature": 2.0}, "temperature=2.0"),
        ({"layers": (1, 6)}, "blocks 0 to 5, and no 6"),
        ({"layers": ()}, "layers=[] must have at least one entry"),
        ({"layers": 3}, "layers=3"),
        ({"single_layer": -1}, "single_layer=-1"),
        ({"resolution": 60}, "multiple of the model's 8 pixels, such as 64"),
        ({"resolution": 0}, "resolution=0"),
        ({"negative_prompt": 3}, "negative_prompt=3"),
    ],
)
def test_each_mistake_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as caught:
        validate(TINY.override(**changes), num_blocks=6, multiple=8)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_all_mistakes_are_in_one_message() -> None:
    with pytest.raises(UserError) as caught:
        validate(TINY.override(steps=0, hold_threshold=2, single_layer=99, schedule="x"), num_blocks=6)
    assert all(word in str(caught.value) for word in ("steps", "hold_threshold", "single_layer", "schedule"))


def test_unknown_names_get_a_suggestion() -> None:
    with pytest.raises(UserError, match=r"'hold_treshold'. Did you mean 'hold_threshold'\?"):
        TINY.override(hold_treshold=0.1)


def test_survives_json() -> None:
    settings = TINY.override(average=False, temperature=(1.0, 0.5))
    assert EditSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
