"""From what is chosen in the page to a command line: ``edit.py`` reads it as it was meant."""

import dataclasses
import shlex
from typing import Any

import pytest
from hypothesis import given, settings, strategies
from PIL import Image

from editmgt.config.presets import presets
from editmgt.demo.drawing import drawn_mask
from editmgt.demo.line import edit_arguments, hold_words, shell
from editmgt.editing.edit_file import check_settings
from editmgt.editing.edit_options import read_line
from editmgt.editing.hold_rules import RULES, needs, sources
from editmgt.editing.settings import HOLD_TIMES, MAP_SOURCES, OPTIONS, EditSettings

SHARES = strategies.floats(0, 1)
VALUES = strategies.fixed_dictionaries(
    {"instruction": strategies.text(strategies.characters(categories=("L", "Nd", "Zs"))).filter(str.strip)},
    optional={
        "steps": strategies.integers(1, 100),
        "guidance_scale": strategies.floats(2, 20),
        "reference_strength": strategies.floats(0, 2),
        "region_hold": strategies.booleans(),
        "consolidation": strategies.booleans(),
        "map_source": strategies.sampled_from(MAP_SOURCES),
        "hold_rule": strategies.sampled_from(RULES),
        "hold_when": strategies.sampled_from(HOLD_TIMES),
        "hold_threshold": SHARES,
        "hold_quantile": SHARES,
        "seed": strategies.integers(0, 2**32 - 1),
        "composite": strategies.booleans(),
        "speed": strategies.sampled_from(["", *presets("speed")]),
    },
)


@settings(max_examples=50)
@given(values=VALUES, own_hold=strategies.booleans(), name=strategies.sampled_from(["a.png", "-a.png"]))
def test_a_line_makes_the_settings_that_were_chosen(
    values: dict[str, Any], own_hold: bool, name: str
) -> None:
    own = dataclasses.asdict(EditSettings(region_hold=own_hold))
    line = edit_arguments(values, own, picture=name, output="out.png")
    options = read_line(line)
    assert (options.image.name, options.instruction) == (name, [values["instruction"]])
    assert (options.seed, options.composite) == ([values.get("seed", 0)], values.get("composite", False))
    told = {key: getattr(options, key) for key in OPTIONS if getattr(options, key) is not None}
    preset = presets("speed").get(values.get("speed", ""), {})
    own = own | preset
    wanted = own | {key: value for key, value in values.items() if key in OPTIONS}
    silent = {key for key in OPTIONS if key.startswith("hold_") and not wanted["region_hold"]}
    silent |= {"hold_threshold", "hold_quantile"} - set(needs(wanted["hold_rule"]))
    silent |= {"consolidation"} if wanted["map_source"] != "attention" else set()
    assert {key: (own | told)[key] for key in OPTIONS if key not in silent} == {
        key: wanted[key] for key in OPTIONS if key not in silent
    }
    if not wanted["region_hold"] or wanted["map_source"] in sources(wanted["hold_rule"]):
        check_settings(options)  # no flag says nothing


@pytest.mark.parametrize("text", ["-red", "-> make it red", "-1 circles", "--seed 4", "-h", 'it\'s "red"'])
def test_a_text_may_begin_as_an_option_does(text: str) -> None:
    values = {"instruction": text, "negative_prompt": text, "query": text}
    line = edit_arguments(
        values, {}, picture="-a.png", output="-b.png", mask="-c.png", loading=["--checkpoint=-d"]
    )
    pasted = shlex.split(shell(line))
    assert pasted[:2] == ["python", "edit.py"]
    options = read_line(pasted[2:])
    assert (options.instruction, options.negative_prompt, options.query) == ([text], text, text)
    files = str(options.image), str(options.output), str(options.mask), options.checkpoint
    assert files == ("-a.png", "-b.png", "-c.png", "-d")


def test_every_preset_is_settings_and_has_words() -> None:
    named = presets("hold_setup")
    assert {"attention", "none", "posterior_first"} <= set(named)
    for preset in named.values():
        assert hold_words(EditSettings().override(**preset).to_dict())


def test_a_mask_is_what_was_drawn() -> None:
    layer = Image.new("RGBA", (20, 10))
    layer.putpixel((19, 9), (1, 2, 3, 90))
    assert drawn_mask((40, 20), [Image.new("RGBA", (20, 10))]) is None
    mask = drawn_mask((40, 20), [Image.new("RGBA", (20, 10)), layer])
    assert mask is not None and mask.size == (40, 20)
    assert mask.crop((38, 18, 40, 20)).getextrema() == (255, 255) and mask.getbbox() == (38, 18, 40, 20)
