import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from picture_of_blocks import INSTRUCTIONS, picture, same
from tiny_parts import SETTINGS, build_transformer

import editmgt
from editmgt.editing import Editor
from editmgt.editing.bundle import link
from editmgt.errors import UserError
from editmgt.model import lora
from editmgt.stores.fingerprint import weights_digest


def replace_transformer(directory: Path, **changes: Any) -> None:
    build_transformer(**changes).save_pretrained(directory / "transformer")


def test_round_trip_on_disk(tiny_editor: Editor, tmp_path: Path) -> None:
    tiny_editor.save_pretrained(tmp_path)
    loaded = editmgt.Editor.from_pretrained(str(tmp_path))
    assert loaded.settings == tiny_editor.settings == SETTINGS
    assert loaded.timestep_convention == "mask_ratio"
    for options in ({}, {"reference_strength": 1.5, "consolidation": False}):
        wanted = tiny_editor.edit(picture(), INSTRUCTIONS[0], **options)
        assert same(loaded.edit(picture(), INSTRUCTIONS[0], **options), wanted)


def test_settings_that_change_are_saved(tiny_bundle: Path, tmp_path: Path) -> None:
    editor = Editor.from_pretrained(tiny_bundle)
    editor.settings = editor.settings.override(steps=5, schedule="linear")
    editor.save_pretrained(tmp_path)
    assert Editor.from_pretrained(tmp_path).settings == SETTINGS.override(steps=5, schedule="linear")
    scheduler = json.loads((tmp_path / "scheduler" / "scheduler_config.json").read_text())
    assert scheduler["masking_schedule"] == "linear" and scheduler["mask_token_id"] == 39


def test_an_adapter_is_not_rounded_to_what_its_base_is_stored_in(tiny_bundle: Path, tmp_path: Path) -> None:
    half = build_transformer().half()
    shutil.copytree(tiny_bundle, tmp_path / "base")
    half.save_pretrained(tmp_path / "base" / "transformer")
    learnt = build_transformer()
    lora.add(learnt, rank=2, alpha=2.0)
    for name, parameter in learnt.named_parameters():
        if ".lora_" in name:
            torch.nn.init.normal_(parameter)
    lora.save_adapters(learnt, tmp_path / "adapter")
    loaded = Editor.from_pretrained(tmp_path / "base", adapter=tmp_path / "adapter").transformer
    wanted = {name: weight for name, weight in learnt.state_dict().items() if ".lora_" in name}
    found = {name: weight for name, weight in loaded.state_dict().items() if ".lora_" in name}
    assert wanted.keys() == found.keys() and len(wanted) > 1
    assert all(torch.equal(weight, found[name]) for name, weight in wanted.items())


def test_released_layout(tiny_bundle: Path, tmp_path: Path) -> None:
    """Transformer in editmgt/, no settings of ours, a scheduler that says no convention."""
    shutil.copytree(tiny_bundle, tmp_path, dirs_exist_ok=True)
    (tmp_path / "transformer").rename(tmp_path / "editmgt")
    (tmp_path / "model_index.json").write_text('{"_class_name": "Pipeline"}')
    scheduler = {"_class_name": "Scheduler", "mask_token_id": 39, "masking_schedule": "linear"}
    (tmp_path / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    editor = Editor.from_pretrained(tmp_path)
    assert editor.timestep_convention == "step_index"
    assert (editor.settings.schedule, editor.settings.steps) == ("linear", 36)


INDEX, SCHEDULER = "model_index.json", "scheduler/scheduler_config.json"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda d: (d / INDEX).unlink(), "no model_index.json"),
        (lambda d: (d / INDEX).write_text("{"), "cannot be read as JSON"),
        (lambda d: (d / INDEX).write_text("[]"), "holds no JSON object, but list"),
        (lambda d: (d / INDEX).write_text('{"edit_settings": {"step": 1}}'), "Did you mean 'steps'?"),
        (lambda d: (d / SCHEDULER).unlink(), "no scheduler/scheduler_config.json"),
        (lambda d: (d / SCHEDULER).write_text('{"mask_token_id": 7}'), "the transformer's mask is 39"),
        (lambda d: (d / SCHEDULER).write_text('{"masking_schedule": "cos"}'), "Did you mean 'cosine'?"),
        (lambda d: (d / SCHEDULER).write_text('{"timestep_convention": "mask"}'), "mean 'mask_ratio'?"),
        (lambda d: shutil.rmtree(d / "transformer"), "no transformer/"),
        (lambda d: shutil.rmtree(d / "vqvae"), "vqvae"),
        (lambda d: shutil.rmtree(d / "tokenizer"), "tokenizer"),
        (lambda d: (d / "llm_encoder").mkdir(), "llm_encoder holds no config.json"),
        (
            lambda d: replace_transformer(d, codebook_size=30),
            "the transformer expects 30, the codec gives 32",
        ),
        (
            lambda d: replace_transformer(d, joint_attention_dim=48, connector_type="linear"),
            "text width: the transformer expects 48, the text encoder gives 32",
        ),
    ],
)
def test_broken_directories(tiny_bundle: Path, tmp_path: Path, damage: Any, said: str) -> None:
    shutil.copytree(tiny_bundle, tmp_path, dirs_exist_ok=True)
    damage(tmp_path)
    with pytest.raises(UserError) as caught:
        Editor.from_pretrained(tmp_path)
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["no-such-editor", "./nowhere", "/no/such/place"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(UserError, match="There is no editor"):
        Editor.from_pretrained(name)


@pytest.mark.parametrize("name", ["some-one/no-such-editor", "some-one/no-such-editor@v2"])
def test_hub_without_network(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=f"'{name}' is no directory") as caught:
        Editor.from_pretrained(name)
    assert "\n" not in str(caught.value)


def test_importing_the_package_is_light() -> None:
    code = "import sys, editmgt, editmgt.editing; assert not {'torch', 'diffusers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_editor_of_links_edits_with_settings_of_its_own(tiny_bundle: Path, tmp_path: Path) -> None:
    finished = shutil.copytree(tiny_bundle, tmp_path / "trainings" / "editor")
    run = tmp_path / "run" / "editor"
    run.parent.mkdir()
    own = Editor.from_pretrained(finished).settings
    for settings in (own.override(steps=own.steps + 1), own, own.override(region_hold=not own.region_hold)):
        link(finished, run, settings)
        found = Editor.from_pretrained(run)
        assert found.settings == settings and run.is_symlink() == (settings == own)
        assert [*run.parent.iterdir()] == [run]
    (tmp_path / "disk" / "deep" / "run").mkdir(parents=True)
    (tmp_path / "outputs").symlink_to(tmp_path / "disk" / "deep")
    for settings in (own, own.override(steps=own.steps + 1)):
        link(finished, tmp_path / "outputs" / "run" / "editor", settings)
        assert Editor.from_pretrained(tmp_path / "outputs" / "run" / "editor").settings == settings
    settings = found.settings
    moved = (tmp_path / "run").rename(tmp_path / "renamed")  # with what they are links to
    assert Editor.from_pretrained(moved / "editor").settings == settings
    assert weights_digest(str(moved / "editor")) == weights_digest(str(finished))


@pytest.mark.parametrize("part", ["editmgt", "adapter", "llm_encoder"])
def test_nothing_is_written_beside_parts_of_another_editor(
    tiny_editor: Editor, tmp_path: Path, part: str
) -> None:
    """They would be read with it, or in its place."""
    (tmp_path / part).mkdir()
    with pytest.raises(UserError, match=f"holds {part}/ of another editor"):
        tiny_editor.save_pretrained(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [part]


def test_a_text_encoder_that_was_dropped_is_not_saved(tiny_bundle: Path, tmp_path: Path) -> None:
    editor = Editor.from_pretrained(tiny_bundle, text_encoder_afterwards="drop")
    editor.edit(picture(), INSTRUCTIONS[0])
    with pytest.raises(UserError, match="dropped after the first edit and cannot be saved"):
        editor.save_pretrained(tmp_path)
    assert not [*tmp_path.iterdir()]
