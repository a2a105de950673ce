"""Maps of the model's own predictions, and hold that is decided before the first step."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image
from test_editing_tokens import CODES, Oracle, references, run
from tiny_parts import SENTENCES
from torch import Tensor

from editmgt.editing import Editor, EditSettings
from editmgt.editing.maps import CodeMaps
from editmgt.editing.predictor import Prediction
from editmgt.errors import UserError

BASE = EditSettings(steps=3, layers=(1,), guidance_scale=2.0, hold_threshold=0.9)
SOURCES = ("attention", "posterior", "guidance")
# a rule for each source that holds some codes of an Oracle's maps and leaves others
RULES = [(source, "quantile") for source in SOURCES] + [("posterior", "likelihood"), ("attention", "otsu")]


def prediction(conditional: Tensor, unconditional: Tensor | None = None) -> Prediction:
    return Prediction(conditional, conditional, unconditional, {})


def test_scores_are_probabilities_of_the_sources_code() -> None:
    reference = references(2)
    unknown = torch.rand(reference.shape) < 0.7
    conditional, unconditional = torch.randn(2, int(unknown.sum()), CODES)
    maps = CodeMaps(SOURCES, reference)
    maps.update(prediction(conditional, unconditional), unknown)
    codes = reference[unknown][:, None]
    given_text, without = (
        logits.softmax(-1).gather(-1, codes)[:, 0] for logits in (conditional, unconditional)
    )
    torch.testing.assert_close(maps.scores["posterior"][unknown], 1 - given_text)
    torch.testing.assert_close(maps.scores["guidance"][unknown], (without - given_text).clamp(min=0))
    assert torch.equal(maps.likeliest_BHW[unknown], conditional.argmax(-1) == codes[:, 0])
    assert all((scores[~unknown] == 0).all() for scores in maps.scores.values())


def test_a_known_code_keeps_the_score_it_had() -> None:
    reference = references(1)
    maps = CodeMaps(("posterior",), reference)
    everything, half = torch.ones_like(reference).bool(), torch.arange(24).view(1, 6, 4) < 12
    maps.update(prediction(torch.randn(24, CODES)), everything)
    before = maps.scores["posterior"]
    maps.update(prediction(torch.randn(12, CODES)), half)
    after = maps.scores["posterior"]
    assert torch.equal(after[~half], before[~half]) and (after[half] != before[half]).all()


class Later(Oracle):
    """An Oracle that forgets its first call: what it says in steps is what another says without a first pass."""

    first: Any = None

    def __call__(self, *inputs: Any, **rest: Any) -> Oracle:
        output = super().__call__(*inputs, **rest)
        if self.first is None:
            self.first = self.calls.pop()
        return output


@hypothesis_settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6), steps=st.integers(1, 5), share=st.floats(0, 1), rule=st.sampled_from(RULES)
)
def test_held_by_the_first_pass_is_held_by_a_mask(
    seed: int, steps: int, share: float, rule: tuple[str, str]
) -> None:
    """Every token is that of inpainting from the codes left, whichever a mask had frozen before."""
    reference = references(2, seed=seed)
    source, name = rule
    early = BASE.override(steps=steps, map_source=source, hold_rule=name, hold_when="first_pass")
    may_change = torch.rand(reference.shape, generator=torch.Generator().manual_seed(seed)) < share
    edit = run(Later(seed=seed), reference, early, may_change_BHW=may_change, trace=True)
    assert not (edit.held & ~may_change).any()
    assert torch.equal(edit.tokens[edit.held], reference[edit.held])
    masked = run(
        Oracle(seed=seed),
        reference,
        early.override(region_hold=False),
        may_change_BHW=may_change & ~edit.held,
    )
    assert torch.equal(edit.tokens, masked.tokens)
    for step in edit.trace:
        assert torch.equal(step.localization, edit.localization)
        assert torch.equal(step.held, edit.held)


@pytest.mark.parametrize("source", SOURCES)
def test_the_first_pass_hides_everything_and_asks_for_no_more_than_it_needs(source: str) -> None:
    oracle, settings = Oracle(), BASE.override(map_source=source, hold_when="first_pass")
    run(oracle, references(2), settings)
    first, *steps = oracle.calls
    assert (first["tokens"] == oracle.mask_token_id).all() and len(steps) == 3
    assert len(first["tokens"]) == (4 if source == "guidance" else 2)
    assert tuple(first["attention_layers"]) == ((1,) if source == "attention" else ())
    assert all(len(call["tokens"]) == 4 and not call["attention_layers"] for call in steps)
    assert first["timestep"].tolist()[:2] == [2, 2]  # as the first step's


@pytest.mark.parametrize("when", ["every_step", "first_pass"])
def test_other_sources_ask_for_no_attention(when: str) -> None:
    for source in ("posterior", "guidance"):
        oracle = Oracle(2)
        settings = BASE.override(map_source=source, hold_when=when, hold_rule="quantile", hold_quantile=0.5)
        edit = run(oracle, references(2), settings)
        assert not any(call["attention_layers"] for call in oracle.calls)
        assert edit.localization.shape == (2, 6, 4)  # codes, of which a cell has four
        assert edit.localization.min() >= 0 and edit.localization.max() <= 1
        assert edit.held.any() and not edit.held.all()
    run(oracle := Oracle(2), references(2), settings, record_layers=(5,))
    assert any(tuple(call["attention_layers"]) == (5,) for call in oracle.calls)


def test_maps_that_are_recorded_are_those_of_the_steps() -> None:
    free = BASE.override(region_hold=False)
    recorded = run(Oracle(), references(2), free, record_sources=("posterior", "guidance"))
    assert torch.equal(recorded.tokens, run(Oracle(), references(2), free).tokens)
    for source, maps in recorded.code_maps.items():
        edit = run(Oracle(), references(2), free.override(map_source=source), trace=True)
        assert torch.equal(maps, torch.stack([step.localization for step in edit.trace], dim=1))
        torch.testing.assert_close(maps.mean(dim=1), edit.localization)


def test_what_is_not_finite_in_the_first_pass_is_told() -> None:
    class Broken(Oracle):
        def __call__(self, *inputs: Any, **rest: Any) -> Oracle:
            output = super().__call__(*inputs, **rest)
            if len(self.calls) == 1:
                output.logits[2] = torch.nan
            return output

    with pytest.raises(UserError, match=r"^NaN or infinite: the transformer's logits in the first pass\."):
        run(Broken(), references(2), BASE.override(map_source="posterior", hold_when="first_pass"))


def picture() -> Image.Image:
    return Image.linear_gradient("L").convert("RGB").resize((32, 32))


@pytest.mark.parametrize("source", SOURCES)
def test_a_real_edit_held_by_the_first_pass_is_inpainting(tiny_editor: Editor, source: str) -> None:
    options = {"map_source": source, "hold_rule": "quantile", "hold_quantile": 0.6}
    early = tiny_editor.edit(picture(), SENTENCES[0], hold_when="first_pass", **options)
    assert early.held.float().mean() == round(0.6 * 64) / 64
    white = torch.where(early.held[0], 0, 255).to(torch.uint8).numpy()
    mask = Image.fromarray(white).resize((32, 32), Image.Resampling.NEAREST)
    inpainted = tiny_editor.edit(picture(), SENTENCES[0], mask=mask, region_hold=False)
    assert torch.equal(early.tokens, inpainted.tokens)
    assert early.images[0].tobytes() == inpainted.images[0].tobytes()
    assert early.localization.shape == ((1, 4, 4) if source == "attention" else (1, 8, 8))


@pytest.mark.parametrize("when", ["every_step", "first_pass"])
def test_a_picture_of_which_everything_is_held_stays(tiny_editor: Editor, when: str) -> None:
    for source in SOURCES:
        everything = {"map_source": source, "hold_rule": "quantile", "hold_quantile": 1.0, "hold_when": when}
        result = tiny_editor.edit([picture(), picture()], SENTENCES[:2], **everything)
        assert result.held.all() and not result.changed.any()


def test_settings_that_do_not_go_together_are_one_line(tiny_editor: Editor) -> None:
    for options, said in (
        ({"map_source": "guidance", "guidance_scale": 1.0}, "guidance_scale=1 must be more than 1"),
        ({"hold_rule": "likelihood"}, "hold_rule=likelihood needs map_source=posterior, not attention"),
        ({"hold_rule": "otzu"}, "Did you mean 'otsu'?"),
        ({"map_source": "posterior", "query": "red"}, "The query 'red' chooses among the instruction's"),
        ({"record_sources": ["guidance"], "guidance_scale": 1.0}, "(there is no guidance)"),
        ({"map_source": "posterior"}, "hold_threshold=0.4 was chosen for attention"),
    ):
        with pytest.raises(UserError) as caught:
            tiny_editor.edit(picture(), SENTENCES[0], **options)
        assert said in str(caught.value) and "\n" not in str(caught.value)
    tiny_editor.edit(picture(), SENTENCES[0], hold_rule="likelihood", region_hold=False)  # says nothing
    tiny_editor.edit(
        picture(), SENTENCES[0], map_source="posterior", region_hold=False
    )  # nothing reads the threshold
