"""What is derived from the one declaration of each setting."""

from dataclasses import asdict, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editmgt import limits
from editmgt.config.keys import acts_through, idle, inference_only, marked, without
from editmgt.editing.hold_rules import RULES, needs
from editmgt.editing.settings import SETTINGS, EditSettings
from editmgt.settings.declaration import Mark, Setting, silenced, silencer

HOLD = {"model.region_hold": (True,)}
ATTENTION = HOLD | {"model.localization.source": ("attention",)}
INJECTED = {"model.attention_injection": (True,)}
OF_TRANSFORMERS = {"model.kind": ("editor", "base")}
OF_CODES = {"model.paradigm": ("mgt",)}
ADAPTED = {"model.lora.rank": tuple(range(1, limits.RANK.most + 1))}
TRAINED = (
    "attention_injection",
    "train_text_encoder",
    "condition_dropout",
    "paradigm",
    "lora.rank",
    "gradient_checkpointing",
    "llm",
    "decay_fraction",
    "transformer",
    "text_encoder",
)
OTHERWISE = EditSettings(
    refresh=3,
    hold_rule="otsu",
    hold_when="first_pass",
    hold_threshold=0.7,
    hold_peak=0.8,
    hold_quantile=0.2,
    matched_steps=True,
    consolidation=False,
    layers=(1,),
    single_layer=2,
    average=True,
    smoothing="gaussian",
)


def test_every_setting_of_an_edit_is_declared() -> None:
    assert [*SETTINGS] == [field.name for field in fields(EditSettings)]
    assert all(setting.option for setting in SETTINGS.values() if not setting.key)  # else nobody could set it


def test_conditions_name_what_there_is() -> None:
    for setting in SETTINGS.values():
        for other in setting.under:
            assert hasattr(EditSettings, other) or other in ("model.attention_injection", "model.paradigm"), (
                other
            )


def test_what_changes_pictures_only_where_something_else_has_a_value() -> None:
    of_attention = (
        "consolidation",
        *(f"localization.{k}" for k in ("layers", "average", "smoothing", "single_layer")),
    )
    assert acts_through() == {
        **dict.fromkeys(("model.localization.source", "model.hold.rule", "model.hold.when"), HOLD),
        **{f"model.{key}": ATTENTION for key in of_attention},
        "model.hold.threshold": HOLD | {"model.hold.rule": ("hysteresis", "threshold")},
        "model.hold.peak": HOLD | {"model.hold.rule": ("hysteresis",)},
        "model.hold.quantile": HOLD | {"model.hold.rule": ("quantile",)},
        "sampler.refresh": {"sampler.reuse": ("reference", "known")},
        "sampler.matched_steps": HOLD | {"model.hold.when": ("first_pass",)} | OF_CODES,
        **{f"sampler.{key}": OF_CODES for key in ("temperature", "draw_temperature", "schedule")},
        "model.injection_fallback": {"model.attention_injection": (False,)},
        "model.reference_attends": INJECTED,
        "model.reference_strength": INJECTED,
        "model.reference_strength_scope": INJECTED,
        **{f"model.{key}": OF_TRANSFORMERS for key in TRAINED},
        "model.full_masking": OF_TRANSFORMERS | OF_CODES,
        **{f"model.{key}": {"model.kind": ("editor",)} | OF_CODES for key in ("edit_masking", "teacher")},
        "model.continuous_steps": {"model.kind": ("codec",), "init_from": (None,)},
        "model.vqvae": {"model.kind": ("codec",)},
        **{f"model.lora.{key}": ADAPTED for key in ("alpha", "stream", "targets", "merge")},
    }


def test_what_a_training_does_not_read() -> None:
    model = {"kind": "editor", "attention_injection": True, "lora": {"rank": 0}}
    of_editor = idle({"init_from": "x", "model": model})
    assert of_editor["model.lora.alpha"] == "model.lora.rank"
    assert of_editor["model.injection_fallback"] == "model.attention_injection"
    assert {key for key, by in of_editor.items() if by == "model.kind"} == {
        "model.vqvae",
        "model.continuous_steps",
    }
    of_codec = idle({"init_from": None, "model": model | {"kind": "codec"}})
    assert {f"model.{key}" for key in TRAINED} < {*of_codec}
    assert "model.continuous_steps" not in of_codec
    assert of_codec["model.reference_attends"] == "model.kind"  # through another one that says nothing


@pytest.mark.parametrize(
    ("values", "idle"),
    [
        ({}, {}),
        ({"region_hold": False}, dict.fromkeys(("hold_rule", "hold_when", "hold_threshold", "hold_peak", "hold_quantile",
                                                "matched_steps"), "region_hold")),
        ({"hold_rule": "otsu"}, dict.fromkeys(("hold_threshold", "hold_peak", "hold_quantile"), "hold_rule")),
        ({"hold_when": "every_step"}, {"matched_steps": "hold_when"}),
        ({"reuse": "nothing"}, {"refresh": "reuse"}),
        ({"map_source": "posterior"}, dict.fromkeys(("consolidation", "layers", "single_layer", "average", "smoothing"),
                                                    "map_source")),
    ],
)  # fmt: skip
def test_what_others_make_say_nothing(values: dict[str, Any], idle: dict[str, str]) -> None:
    assert silenced(values, SETTINGS) == idle


def test_what_is_not_known_silences_nothing_and_a_chain_is_followed_to_its_head() -> None:
    chain = {name: Setting("", bool, under=under) for name, under in
             {"a": {}, "b": {"a": True}, "c": {"b": ("x", "y")}}.items()}  # fmt: skip
    assert silencer({"c": 1}, {"a": False, "b": "x", "c": 1}, chain) == "a"
    assert silencer({"c": 1}, {"a": None, "b": "z", "c": 1}, chain) == "b"
    assert silencer({"c": 1}, {"b": "y"}, chain) is None


@given(
    region_hold=st.booleans(),
    rule=st.sampled_from(RULES),
    source=st.sampled_from(("attention", "posterior")),
    when=st.sampled_from(("every_step", "first_pass")),
    number=st.sampled_from((0.0, 0.3)),
)
def test_a_setting_that_is_silenced_changes_no_picture(
    region_hold: bool, rule: str, source: str, when: str, number: float
) -> None:
    settings = EditSettings(
        region_hold=region_hold, hold_rule=rule, map_source=source, hold_when=when, hold_threshold=number
    )
    for name in silenced(asdict(settings), SETTINGS):
        assert settings.override(**{name: getattr(OTHERWISE, name)}).of_pictures == settings.of_pictures


def test_a_training_is_known_by_what_it_reads() -> None:
    assert "model.resolution" not in inference_only() and "sampler.steps" in inference_only()
    assert {"trainer.num_threads", "data.cache_dir", "logger", "device", "name"} <= marked(Mark.RUNNING)
    assert marked(Mark.REPLICATE) == {"seed", "benchmark.seed"} and marked(Mark.PRESET) == {
        "speed",
        "hold_setup",
    }


def test_a_configuration_without_some_keys() -> None:
    config = {"name": "x", "logger": {"name": "csv"}, "data": {"cache_dir": "y", "seed": 1}, "model": {"hold": {"rule": "otsu"}},
              "callbacks": {}}  # fmt: skip
    left = {"data": {"seed": 1}, "callbacks": {}}
    assert without(config, marked(Mark.RUNNING) | inference_only()) == left


def test_a_rules_own_settings_are_declared_so() -> None:
    for name, setting in SETTINGS.items():
        readers = [rule for rule in RULES if name in needs(rule)]
        assert bool(readers) == callable(setting.under.get("hold_rule")), name
