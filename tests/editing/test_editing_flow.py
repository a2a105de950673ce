"""A flow's edit: where its velocities lead, what hold and masks keep, and that a sample's edit is its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny_parts import CODES, SETTINGS, build_codec, build_text_encoder, build_transformer
from torch import Tensor

from editmgt.editing import Editor
from editmgt.editing.edit_file import load
from editmgt.editing.edit_options import read_line
from editmgt.editing.flow import Flow
from editmgt.editing.predictor import Prediction
from editmgt.editing.sampler import sample_generators
from editmgt.editing.settings import EditSettings
from editmgt.errors import UserError
from editmgt.model import MGTransformer

CHANNELS = 4
PICTURES = [Image.linear_gradient("L").convert("RGB").resize((32, 32)), Image.new("RGB", (32, 32), "red")]
TEXTS = ["make the red circle blue", "remove the large star"]


@pytest.fixture(scope="module")
def editor() -> Editor:
    torch.manual_seed(0)
    transformer = build_transformer(latent_channels=CHANNELS)
    return Editor(build_codec(), build_text_encoder(), transformer, SETTINGS, "noise_level")


class Straight:
    """Knows the target, and so the velocity that leads there from anywhere on the way."""

    def __init__(self, target_BHWC: Tensor, map_BTN: Tensor) -> None:
        self.target_BHWC, self.map_BTN = target_BHWC, map_BTN

    def __call__(
        self,
        latents_BHWC: Tensor,
        level_B: Tensor,
        unknown_BHW: Tensor,
        attention_layers: Sequence[int],
        guided: bool,
        halves: bool,
    ) -> Prediction:
        velocity_BHWC = (latents_BHWC - self.target_BHWC) / level_B.view(-1, 1, 1, 1)
        maps = dict.fromkeys(attention_layers, self.map_BTN)
        return Prediction(velocity_BHWC.flatten(0, 2), None, None, maps)


@settings(max_examples=30, deadline=None)
@given(steps=st.integers(1, 12), seed=st.integers(0, 99), hold=st.booleans(), first=st.booleans())
def test_straight_velocities_end_at_their_target_but_where_hold_or_a_mask_keeps_the_source(
    steps: int, seed: int, hold: bool, first: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    codebook_KC = torch.randn(CODES, CHANNELS, generator=generator)
    source_BHW, target_BHW = torch.randint(CODES, (2, 2, 8, 8), generator=generator)
    free_BHW = torch.rand(2, 8, 8, generator=generator) < 0.7
    map_BTN = torch.zeros(2, 1, 16)
    map_BTN[..., 8:] = 1.0  # the lower half has to change
    chosen = EditSettings(
        steps=steps,
        region_hold=hold,
        hold_when="first_pass" if first else "every_step",
        hold_threshold=0.5,
        layers=(0,),
        smoothing="none",
        guidance_scale=1.0,
    )
    flow = Flow(chosen, codebook_KC, 2, True, (), lambda: None)
    randomness = sample_generators(seed, ["a", "b"], torch.device("cpu"))
    predict: Any = Straight(codebook_KC[target_BHW], map_BTN)
    edit = flow.edit(predict, source_BHW, free_BHW, randomness)
    upper_BHW = torch.zeros_like(free_BHW)
    upper_BHW[:, :3] = True  # the fourth row of codes lies between both halves of a bicubic map
    lower_BHW = torch.zeros_like(free_BHW)
    lower_BHW[:, 5:] = True
    kept_BHW = ~free_BHW | (upper_BHW if hold else torch.zeros_like(free_BHW))
    assert torch.equal(edit.tokens[kept_BHW], source_BHW[kept_BHW])
    changes_BHW = free_BHW & (lower_BHW if hold else torch.ones_like(free_BHW))
    assert torch.equal(edit.tokens[changes_BHW], target_BHW[changes_BHW])
    assert torch.equal(edit.changed, edit.tokens != source_BHW)
    assert not (edit.held & ~free_BHW).any() and edit.held[upper_BHW & free_BHW].all() == hold
    assert torch.equal(edit.trace[-1].tokens, edit.tokens) and len(edit.trace) == steps
    # a straight line: every step already tells where it ends
    assert all(torch.equal(step.tokens[changes_BHW], target_BHW[changes_BHW]) for step in edit.trace)
    assert torch.stack([*flow.finite.values()]).all()


def test_an_edit_is_its_samples_own_and_the_seed_decides_it(editor: Editor) -> None:
    both = editor.edit(PICTURES, TEXTS, sample_ids=["a", "b"], batch_size=2)
    alone = editor.edit(PICTURES[1], TEXTS[1], sample_ids=["b"])
    assert torch.equal(both.tokens[1], alone.tokens[0])
    torch.testing.assert_close(both.localization[1], alone.localization[0])
    other = editor.edit(PICTURES[1], TEXTS[1], sample_ids=["b"], seed=1)
    assert not torch.equal(other.tokens[0], alone.tokens[0])


def test_what_is_recorded_has_the_shapes_of_any_edit(editor: Editor) -> None:
    result = editor.edit(PICTURES, TEXTS, trace=True, record_layers=[0, 2], query=None)
    assert result.layer_maps.shape == (2, SETTINGS.steps, 2, 4, 4)  # type: ignore[union-attr]
    assert result.localization.shape == (2, 4, 4) and len(result.trace) == SETTINGS.steps  # type: ignore[union-attr]
    assert result.localization.min() >= 0 and result.localization.max() <= 1  # type: ignore[union-attr]


def test_guidance_and_the_source_count(editor: Editor) -> None:
    def tokens(**changes: Any) -> Tensor:
        found = editor.edit(PICTURES[0], TEXTS[0], region_hold=False, **changes).tokens
        assert isinstance(found, Tensor)
        return found

    plain = tokens()
    assert not torch.equal(plain, tokens(guidance_scale=1.0))
    assert not torch.equal(plain, tokens(reference_strength=0.0))
    # what only says how codes are drawn says nothing
    assert torch.equal(plain, tokens(draw_temperature=0.0, temperature=(0.0, 0.0), schedule="linear"))


def test_a_source_that_attends_to_itself_is_computed_once_and_exactly(editor: Editor) -> None:
    """Keys and values that are kept give what a pass over everything gives."""
    passes = []
    hook = editor.transformer.transformer_blocks[0].register_forward_pre_hook(
        lambda module, arguments: passes.append(arguments[0].shape[1])
    )
    kept = editor.edit(PICTURES, TEXTS, reference_attends="itself", region_hold=False)
    hook.remove()
    assert passes == [2, 1, 1]
    anew = editor.edit(
        PICTURES, TEXTS, reference_attends="itself", region_hold=False, reuse="known", refresh=1
    )
    assert torch.equal(kept.tokens, anew.tokens)  # type: ignore[arg-type]


def test_a_mask_keeps_the_sources_codes_outside(editor: Editor) -> None:
    mask = Image.new("L", (32, 32), 0)
    mask.paste(255, (0, 0, 16, 32))
    result = editor.edit(PICTURES[0], TEXTS[0], mask=mask, region_hold=False)
    assert not result.changed[..., 4:].any() and result.changed[..., :4].any()  # type: ignore[call-overload]


def test_a_flow_is_saved_and_loaded(editor: Editor, tmp_path: Path) -> None:
    editor.save_pretrained(tmp_path)
    loaded = Editor.from_pretrained(tmp_path)
    assert (loaded.paradigm, loaded.timestep_convention) == ("flow", "noise_level")
    assert isinstance(
        FlowMatchEulerDiscreteScheduler.from_pretrained(tmp_path / "scheduler").config.shift, float
    )
    assert torch.equal(loaded.edit(PICTURES, TEXTS).tokens, editor.edit(PICTURES, TEXTS).tokens)  # type: ignore[arg-type]


@pytest.mark.parametrize("source", ["posterior", "guidance"])
def test_a_map_of_probabilities_is_refused(editor: Editor, source: str) -> None:
    with pytest.raises(
        UserError, match=f"map_source={source} reads probabilities of codes, which a flow does not"
    ):
        editor.edit(PICTURES, TEXTS, map_source=source, hold_threshold=0.5)
    with pytest.raises(UserError, match=f"record_sources=.*{source} must be one of none: a flow has none"):
        editor.edit(PICTURES, TEXTS, record_sources=[source])


def test_what_a_flow_does_not_read_is_told(editor: Editor, tmp_path: Path) -> None:
    """By the command that edits, before any edit."""
    editor.save_pretrained(tmp_path / "flow")
    PICTURES[0].save(tmp_path / "photo.png")
    line = [str(tmp_path / "photo.png"), "x", "--output", str(tmp_path / "o.png")]
    options = read_line([*line, "--checkpoint", str(tmp_path / "flow"), "--draw-temperature", "0"])
    with pytest.raises(
        UserError, match="--draw-temperature has no effect with this checkpoint, which is a flow"
    ):
        load(options)


def test_parts_that_tell_steps_otherwise_do_not_belong_together(editor: Editor) -> None:
    with pytest.raises(UserError, match="timestep_convention=mask_ratio goes with a transformer of codes"):
        Editor(editor.codec, editor.text_encoder, editor.transformer, SETTINGS, "mask_ratio")
    with pytest.raises(UserError, match="timestep_convention=noise_level goes with a transformer of latents"):
        Editor(editor.codec, editor.text_encoder, build_transformer(), SETTINGS, "noise_level")
    with pytest.raises(UserError, match="channels of a latent: the transformer expects 5, the codec gives 4"):
        odd = build_transformer(latent_channels=5)
        Editor(editor.codec, editor.text_encoder, odd, SETTINGS, "noise_level")


def test_broken_weights_are_told(editor: Editor) -> None:
    torch.manual_seed(1)
    broken: MGTransformer = build_transformer(latent_channels=CHANNELS)
    broken.mlm_layer.linear_2.weight.data.fill_(torch.nan)  # type: ignore[union-attr, operator]
    flow = Editor(editor.codec, editor.text_encoder, broken, SETTINGS, "noise_level")
    with pytest.raises(UserError, match="NaN or infinite: the transformer's velocities in step 1"):
        flow.edit(PICTURES, TEXTS)
