"""Shortcuts of an edit: what they leave out, and what they must not change."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from picture_of_blocks import INSTRUCTIONS, picture
from PIL import Image
from test_editing_tokens import CODES, MASK, Oracle, references, run

from editmgt.editing import Editor, EditSettings
from editmgt.editing.sampler import Schedule
from editmgt.errors import UserError
from editmgt.model.transformer import MGTOutput

FIRST = {"hold_when": "first_pass", "map_source": "attention", "hold_threshold": 0.4, "region_hold": True}


def passes(editor: Editor, **options: object) -> list[int]:
    """Return how many image cells, the source's too, each pass of an edit computes for a sample."""
    cells: list[int] = []
    block = editor.transformer.transformer_blocks[0]
    hook = block.register_forward_pre_hook(
        lambda _, inputs: cells.append(inputs[0].shape[1] * inputs[0].shape[2])
    )
    editor.edit(picture(), INSTRUCTIONS[0], **options)
    hook.remove()
    return cells


@pytest.mark.parametrize("reuse", ["reference", "known"])
@pytest.mark.parametrize("when", [{"region_hold": False}, FIRST])
def test_reuse_that_is_refreshed_every_pass_is_none(
    tiny_editor: Editor, reuse: str, when: dict[str, object]
) -> None:
    exact, refreshed = (
        tiny_editor.edit(picture(), INSTRUCTIONS[0], steps=4, reuse=name, refresh=1, **when)
        for name in ("nothing", reuse)
    )
    assert torch.equal(exact.tokens, refreshed.tokens)
    assert torch.allclose(exact.localization, refreshed.localization, atol=1e-6)


def test_reuse_computes_less_and_everything_when_it_is_refreshed(tiny_editor: Editor) -> None:
    whole = passes(tiny_editor, steps=6, region_hold=False)
    assert len(set(whole)) == 1  # source and target
    without = passes(tiny_editor, steps=6, region_hold=False, reuse="reference", refresh=4)
    assert without == [whole[0], *[whole[0] // 2] * 3, whole[0], whole[0] // 2]
    known = passes(tiny_editor, steps=6, region_hold=False, reuse="known", refresh=100)
    assert known[0] == whole[0] and known[1:] == sorted(known[1:], reverse=True) and known[-1] < known[1]


def test_a_source_that_attends_to_itself_is_computed_once(tiny_editor: Editor) -> None:
    whole, *later = passes(tiny_editor, steps=6, region_hold=False, refresh=2, reference_attends="itself")
    assert later == [whole // 2] * 5


@pytest.mark.parametrize("when", [{"region_hold": False}, FIRST])
@pytest.mark.parametrize("interval", [(0.0, 1.0), (0.4, 1.0)])
def test_a_source_that_is_computed_once_changes_nothing(
    tiny_editor: Editor,
    interval: tuple[float, float],
    when: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As if every pass computed everything anew."""
    options = {
        "steps": 5,
        "guidance_interval": interval,
        "guidance_scale": 2.0,
        "reference_strength": 1.2,
        "reference_attends": "itself",
    } | when
    once = tiny_editor.edit(picture(), INSTRUCTIONS[0], **options)
    forward = tiny_editor.transformer.forward

    def anew(*inputs: Any, memory: object, active: object, **others: Any) -> MGTOutput:
        return forward(*inputs, **others)

    monkeypatch.setattr(tiny_editor.transformer, "forward", anew)
    each = tiny_editor.edit(picture(), INSTRUCTIONS[0], **options)
    assert torch.equal(once.tokens, each.tokens) and torch.equal(once.held, each.held)
    assert torch.allclose(once.localization, each.localization, atol=1e-6)


def test_a_first_pass_is_remembered(tiny_editor: Editor) -> None:
    cells = passes(tiny_editor, steps=6, reuse="known", refresh=100, guidance_scale=1.0, **FIRST)
    assert (
        cells[1] == cells[0] // 2
    )  # all that was masked for the first pass is computed as it is now, the source is not


def test_guidance_that_sets_in_late_computes_both_halves_then(tiny_editor: Editor) -> None:
    batches: list[int] = []
    block = tiny_editor.transformer.transformer_blocks[0]
    hook = block.register_forward_pre_hook(lambda _, inputs: batches.append(len(inputs[0])))
    options = {"steps": 6, "region_hold": False, "guidance_interval": (0.5, 1.0), "guidance_scale": 2.0}
    tiny_editor.edit(picture(), INSTRUCTIONS[0], **options)
    assert batches == [1, 1, 1, 2, 2, 2]
    batches.clear()
    tiny_editor.edit(picture(), INSTRUCTIONS[0], **options, reuse="known")
    hook.remove()
    assert batches == [1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize("when", [FIRST, {"region_hold": False}])
@pytest.mark.parametrize("interval", [(0.0, 1.0), (0.4, 1.0)])
def test_a_sample_does_not_depend_on_its_batch(
    tiny_editor: Editor, interval: tuple[float, float], when: dict[str, object]
) -> None:
    options = {"reuse": "known", "matched_steps": True, "refresh": 3, "steps": 8, "trace": True} | when
    options |= {"guidance_interval": interval, "record_layers": (0,), "record_sources": ("posterior",)}
    masks = [Image.new("L", (32, 32)) for _ in "abc"]
    for mask, rows in zip(masks, (32, 20, 4), strict=True):
        mask.paste(255, (0, 0, 32, rows))
    together = tiny_editor.edit(
        [picture()] * 3, INSTRUCTIONS, sample_ids=["a", "b", "c"], mask=masks, **options
    )
    lengths = []
    for row, name in enumerate("abc"):
        alone = tiny_editor.edit(picture(), INSTRUCTIONS[row], sample_ids=[name], mask=masks[row], **options)
        assert torch.equal(alone.tokens[0], together.tokens[row])
        assert torch.equal(alone.held[0], together.held[row])
        assert torch.allclose(alone.localization[0], together.localization[row], atol=1e-4)
        assert torch.equal(alone.trace[-1].tokens[0], together.trace[-1].tokens[row])
        assert torch.allclose(alone.layer_maps[0], together.layer_maps[row], atol=1e-6)
        assert torch.allclose(
            alone.code_maps["posterior"][0], together.code_maps["posterior"][row], atol=1e-6
        )
        lengths.append(len(alone.trace))
    assert lengths == sorted(set(lengths), reverse=True)  # each takes fewer steps than the one before


@hypothesis_settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    shares=st.lists(st.floats(0, 1), min_size=1, max_size=3),
    steps=st.integers(1, 9),
    schedule=st.sampled_from(["cosine", "linear"]),
)
def test_matched_steps_decide_everything_and_keep_what_is_known(
    seed: int, shares: list[float], steps: int, schedule: str
) -> None:
    reference = references(len(shares), seed=seed)
    random = torch.rand(reference.shape, generator=torch.Generator().manual_seed(seed))
    may_change = random < torch.tensor(shares)[:, None, None]
    settings = EditSettings(steps=steps, schedule=schedule, region_hold=False, matched_steps=True)
    oracle = Oracle(seed=seed)
    edit = run(oracle, reference, settings, may_change_BHW=may_change, trace=True)
    assert (edit.tokens < CODES).all()
    assert torch.equal(edit.tokens[~may_change], reference[~may_change])
    assert 1 <= len(edit.trace) <= steps
    assert torch.equal(edit.trace[-1].tokens, edit.tokens)
    assert edit.localization.min() >= -1e-5 and edit.localization.max() <= 1 + 1e-5
    for share in {float(row) for row in may_change.float().mean(dim=(1, 2))}:
        [first] = Schedule(steps, schedule).steps_at(torch.tensor([share]))
        ratio = Schedule(steps, schedule).ratio_before
        assert ratio(first) >= share and (first == steps or ratio(first + 1) < share or share == 0)


def test_a_third_of_the_picture_takes_a_fifth_of_the_steps() -> None:
    """As counted by hand for 36 steps: cos(29 / 36 * pi / 2) = .30."""
    assert Schedule(36).steps_at(torch.tensor([1.0, 0.3, 0.01])) == [0, 29, 35]
    oracle, reference = Oracle(), references(1, 10, 10)
    may_change = torch.arange(100).view(1, 10, 10) < 30
    run(oracle, reference, EditSettings(region_hold=False, matched_steps=True), may_change_BHW=may_change)
    assert [int(call["timestep"][0]) for call in oracle.calls] == [6, 5, 4, 3, 2, 1, 0]
    unknown = [int((call["tokens"][0] == MASK).sum()) for call in oracle.calls]
    assert unknown == [30, 25, 21, 17, 13, 8, 4]


def test_matched_steps_of_everything_are_all(tiny_editor: Editor) -> None:
    edits = [
        tiny_editor.edit(picture(), INSTRUCTIONS[0], steps=5, region_hold=False, matched_steps=matched)
        for matched in (False, True)
    ]
    assert torch.equal(edits[0].tokens, edits[1].tokens)


def test_progress_ends_at_its_total_however_few_steps_are_taken(tiny_editor: Editor) -> None:
    told: list[tuple[int, int]] = []
    tiny_editor.edit(
        [picture()] * 3,
        INSTRUCTIONS[:3],
        steps=8,
        batch_size=2,
        matched_steps=True,
        progress=lambda done, total: told.append((done, total)),
        **FIRST,
    )
    assert told[-1] == (16, 16) and told == sorted(set(told))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reuse": "knwon"}, "reuse=knwon must be one of nothing, reference, known. Did you mean 'known'?"),
        ({"refresh": 0}, "refresh=0 must be at least 1"),
        (
            {"guidance_interval": (0.5, 0.5)},
            "guidance_interval=[0.5,0.5] must be two numbers, the second larger",
        ),
        ({"matched_steps": 1}, "matched_steps=1 must be true or false"),
        (
            {"map_source": "guidance", "guidance_interval": (0.5, 1.0)},
            "guidance_interval=[0.5, 1.0] must be [0, 1], or hold_when=first_pass",
        ),
    ],
)
def test_a_wrong_shortcut_is_told(tiny_editor: Editor, changes: dict[str, object], words: str) -> None:
    with pytest.raises(UserError) as caught:
        tiny_editor.edit(picture(), INSTRUCTIONS[0], **changes)
    assert words in str(caught.value)


@pytest.mark.parametrize("broken", range(1, 11))
def test_what_is_not_finite_is_told_whichever_sample_it_is_of(broken: int) -> None:
    """Samples that begin at another step are sampled one after another."""

    class Broken(Oracle):
        def __call__(self, *inputs: Any, **rest: Any) -> Oracle:
            output = super().__call__(*inputs, **rest)
            if len(self.calls) == broken:
                output.logits[0, 2] = torch.nan
            return output

    reference = references(3)
    may_change = torch.arange(24).view(6, 4) < torch.tensor([24, 12, 4])[:, None, None]
    settings = EditSettings(steps=6, layers=(1,), guidance_scale=1.0, region_hold=False, matched_steps=True)
    oracle = Broken()
    with pytest.raises(UserError, match="NaN or infinite: the transformer's logits in step"):
        run(oracle, reference, settings, may_change_BHW=may_change)
    assert len(oracle.calls) == 6 + 3 + 1


def test_a_hold_that_holds_nothing_has_no_first_pass(tiny_editor: Editor) -> None:
    options = {"map_source": "guidance", "hold_when": "first_pass", "guidance_interval": (0.5, 1.0)}
    with pytest.raises(UserError, match="needs guidance in every step"):
        tiny_editor.edit(picture(), INSTRUCTIONS[0], guidance_scale=2.0, hold_threshold=0.0, **options)


def test_guidance_that_no_step_has_makes_a_negative_prompt_idle(tiny_editor: Editor) -> None:
    options = {"steps": 2, "guidance_scale": 3.0, "guidance_interval": (0.75, 1.0)}
    with pytest.raises(UserError, match="none of the 2 steps lies in its interval"):
        tiny_editor.edit(picture(), INSTRUCTIONS[0], negative_prompt="a star", **options)
