import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from editmgt.editing.sampler import sample_generators
from editmgt.editing.settings import EditSettings
from editmgt.editing.tokens import TokenEdit, edit_tokens
from editmgt.errors import UserError
from editmgt.model import MGTransformer
from editmgt.text import TextStates

CODES, MASK = 16, 20


@dataclass
class Oracle:
    """Stands in for a transformer: random logits and maps, and a record of what it was given."""

    cell_size: int = 1
    seed: int = 0
    mask_token_id: int = MASK
    calls: list[dict[str, Any]] = field(default_factory=list)

    def __call__(
        self, tokens: Tensor, states: Tensor, pooled: Tensor, timestep: Tensor, micro: Tensor, **rest: Any
    ) -> "Oracle":
        self.calls.append({"tokens": tokens, "timestep": timestep, "states": states, "micro": micro} | rest)
        batch, height, width = tokens.shape
        cells = height * width // self.cell_size**2
        logits, attention = [], []
        for row in range(batch):  # a row's numbers depend on its text and the step alone, not on its batch
            generator = torch.Generator().manual_seed(
                hash((self.seed, states[row, 0, 0].item(), len(self.calls)))
            )
            logits.append(3 * torch.randn(CODES, height, width, generator=generator))
            attention.append(torch.rand(2, cells, generator=generator))
        self.logits = torch.stack(logits).movedim(1, -1)[rest["logits_at"]]
        if (scale := rest["guidance_scale"]) is not None:
            unconditional, conditional = self.logits.chunk(2)
            self.logits = unconditional + scale * (conditional - unconditional)
        self.attention = {layer: torch.stack(attention) for layer in rest["attention_layers"]}
        return self


def texts(ids: Sequence[float]) -> TextStates:
    return TextStates(torch.tensor(ids).view(-1, 1, 1).expand(-1, 2, 3), torch.zeros(len(ids), 3))


def run(
    oracle: Oracle, reference: Tensor, settings: EditSettings, ids: Sequence[float] = (), **options: Any
) -> TokenEdit:
    ids = ids or [float(i) for i in range(len(reference))]
    options.setdefault("randomness", sample_generators(0, [str(i) for i in ids], torch.device("cpu")))
    return edit_tokens(
        oracle,  # type: ignore[arg-type]
        reference,
        texts(ids),
        texts([-1.0] * len(ids)),
        settings,
        micro_conditions_B5=torch.tensor([[64.0, 64.0, 0.0, 0.0, 6.0]]).expand(len(ids), -1),
        **options,
    )


def references(batch: int, height: int = 6, width: int = 4, seed: int = 0) -> Tensor:
    return torch.randint(CODES, (batch, height, width), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("mode", ["plain", "strength", "hold"])
def test_golden_edits(golden: Path, mode: str) -> None:
    """Whole edits of the published pipeline at 1024 pixels."""
    config = json.loads((golden / "edit.config.json").read_text())
    io = load_file(golden / "edit.io.safetensors")
    transformer = MGTransformer(**config["transformer"]).eval()
    transformer.load_state_dict(load_file(golden / "edit.transformer.safetensors"))
    timesteps = []
    transformer.register_forward_pre_hook(lambda _, inputs: timesteps.append(inputs[3]))
    edit = edit_tokens(
        transformer,
        io["reference_tokens"],
        TextStates(io["text_states"], io["pooled_text"]),
        TextStates(io["negative_text_states"], io["negative_pooled_text"]),
        EditSettings(
            steps=config["steps"],
            guidance_scale=config["guidance_scale"],
            temperature=tuple(config["temperature"]),
            reference_strength=1.0 if mode == "plain" else config["strength"],
            region_hold=mode == "hold",
            hold_threshold=config["hold_threshold"],
            layers=tuple(config["layers"]),
        ),
        micro_conditions_B5=torch.tensor([config["micro_conditions"]], dtype=torch.float32),
        randomness=torch.Generator().manual_seed(config["generator_seed"]),
        trace=True,
    )
    assert [int(timestep[0]) for timestep in timesteps] == io[f"{mode}.timesteps"].tolist()
    agreement = [
        float((step.tokens == wanted).float().mean())
        for step, wanted in zip(edit.trace, io[f"{mode}.trace"], strict=True)
    ]
    assert min(agreement) >= (0.995 if mode == "hold" else 1.0)
    assert torch.equal(edit.tokens[edit.held], io["reference_tokens"][edit.held])
    assert (edit.held.float().mean() > 0.5) == (mode == "hold")


@hypothesis_settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    threshold=st.floats(0, 1),
    steps=st.integers(1, 7),
    cell_size=st.sampled_from([1, 2]),
    consolidation=st.booleans(),
    guidance=st.sampled_from([1.0, 3.0]),
)
def test_held_tokens_equal_the_references(
    seed: int, threshold: float, steps: int, cell_size: int, consolidation: bool, guidance: float
) -> None:
    """Over random maps: what is held is the reference's, once held stays held, and every token is decided."""
    reference = references(2, seed=seed)
    settings = EditSettings(
        steps=steps, hold_threshold=threshold, consolidation=consolidation, guidance_scale=guidance
    )
    edit = run(Oracle(cell_size, seed), reference, settings, trace=True)
    assert torch.equal(edit.tokens[edit.held], reference[edit.held])
    assert (edit.tokens < CODES).all()
    held_before, unknown_before = torch.zeros_like(edit.held), torch.full((2,), reference[0].numel())
    for step in edit.trace:
        assert torch.equal(step.tokens[step.held], reference[step.held])
        assert (step.held | ~held_before).all()
        unknown = (step.tokens == MASK).sum(dim=(1, 2))
        assert ((unknown < unknown_before) | (unknown == 1)).all()
        held_before, unknown_before = step.held, unknown
    assert edit.localization.min() >= -1e-5 and edit.localization.max() <= 1 + 1e-5
    if threshold == 0:
        assert not edit.held.any()


def test_threshold_one_holds_nearly_everything() -> None:
    """Every cell but the map's maximum scores under 1."""
    reference = references(1)
    edit = run(Oracle(), reference, EditSettings(steps=4, hold_threshold=1.0, consolidation=False))
    assert edit.held.float().mean() > 0.8


def test_hold_off_holds_nothing() -> None:
    edit = run(Oracle(), references(2), EditSettings(steps=4, hold_threshold=0.9, region_hold=False))
    assert not edit.held.any()


def test_a_sample_does_not_depend_on_its_batch() -> None:
    reference, settings = references(3), EditSettings(steps=5, hold_threshold=0.5)
    together = run(Oracle(), reference, settings, [0.0, 1.0, 2.0])
    alone = run(Oracle(), reference[1:2], settings, [1.0])
    assert torch.equal(together.tokens[1], alone.tokens[0])
    assert torch.equal(together.held[1], alone.held[0])
    assert torch.allclose(together.localization[1], alone.localization[0], atol=1e-6)


@hypothesis_settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0, 1), hold=st.booleans())
def test_a_mask_freezes_what_is_outside(seed: int, share: float, hold: bool) -> None:
    reference = references(2, seed=seed)
    may_change = torch.rand(reference.shape, generator=torch.Generator().manual_seed(seed)) < share
    settings = EditSettings(steps=4, region_hold=hold, hold_threshold=0.3)
    edit = run(Oracle(seed=seed), reference, settings, may_change_BHW=may_change, trace=True)
    for step in edit.trace:
        assert torch.equal(step.tokens[~may_change], reference[~may_change])
    assert (edit.tokens < CODES).all()
    assert not (edit.held & ~may_change).any()


def test_mask_of_everything_is_no_mask() -> None:
    reference, settings = references(2), EditSettings(steps=4)
    everything = torch.ones_like(reference, dtype=torch.bool)
    free, masked = (run(Oracle(), reference, settings, may_change_BHW=mask) for mask in (None, everything))
    assert torch.equal(free.tokens, masked.tokens)


def test_guidance_is_a_double_batch_unconditional_first() -> None:
    oracle, reference = Oracle(), references(2)
    run(oracle, reference, EditSettings(steps=2, guidance_scale=3.0))
    call = oracle.calls[0]
    assert call["states"][:, 0, 0].tolist() == [-1.0, -1.0, 0.0, 1.0]
    assert torch.equal(call["reference_tokens"], torch.cat([reference, reference]))
    assert all(len(call[name]) == 4 for name in ("tokens", "timestep", "micro"))
    oracle.calls.clear()
    run(oracle, reference, EditSettings(steps=2, guidance_scale=1.0))
    assert oracle.calls[0]["states"][:, 0, 0].tolist() == [0.0, 1.0]


def test_timesteps_follow_the_convention() -> None:
    oracle, settings = Oracle(), EditSettings(steps=4, guidance_scale=1.0, schedule="linear")
    run(oracle, references(1), settings)
    assert [call["timestep"].item() for call in oracle.calls] == [3, 2, 1, 0]
    oracle.calls.clear()
    half = torch.arange(24).view(1, 6, 4) < 12
    run(oracle, references(1), settings, timestep_convention="mask_ratio", may_change_BHW=half)
    assert [call["timestep"].item() for call in oracle.calls] == [0.5, 0.375, 0.25, 0.125]


@pytest.mark.parametrize(
    ("changes", "layers"),
    [
        ({}, (1, 2, 3)),
        ({"consolidation": False}, (7,)),
        ({"average": False}, (7,)),
        ({"consolidation": False, "average": True}, (1, 2, 3)),
    ],
)
def test_only_the_needed_maps_are_asked_for(changes: dict[str, Any], layers: tuple[int, ...]) -> None:
    oracle = Oracle()
    run(oracle, references(1), EditSettings(steps=1, layers=(1, 2, 3), single_layer=7).override(**changes))
    assert tuple(oracle.calls[0]["attention_layers"]) == layers


def test_raw_map_is_the_single_layers() -> None:
    oracle = Oracle()
    edit = run(oracle, references(1), EditSettings(steps=1, guidance_scale=1.0, consolidation=False))
    raw = oracle.attention[32].mean(dim=1).view(1, 6, 4)
    wanted = (raw - raw.min()) / (raw.max() - raw.min())
    assert torch.allclose(edit.localization, wanted, atol=1e-5)


def test_steps_are_reported() -> None:
    steps: list[int] = []
    edit = run(Oracle(), references(1), EditSettings(steps=3), on_step=lambda: steps.append(1))
    assert len(steps) == 3 and edit.trace == []


@pytest.mark.parametrize(
    ("broken", "words"),
    [("logits", "the transformer's logits in step 2"), ("attention", "the attention map")],
)
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_is_not_finite_is_no_edit(broken: str, words: str, value: float) -> None:
    class Broken(Oracle):
        def __call__(self, *inputs: Any, **rest: Any) -> Oracle:
            output = super().__call__(*inputs, **rest)
            if len(self.calls) == 2:
                for tensor in [output.logits] if broken == "logits" else output.attention.values():
                    tensor[1, ..., 2] = value
            return output

    with pytest.raises(UserError, match=f"^NaN or infinite: {words}.") as caught:
        run(Broken(), references(2), EditSettings(steps=3, layers=(1,), guidance_scale=1.0))
    assert "\n" not in str(caught.value)


def test_guidance_beyond_all_range_is_told() -> None:
    with pytest.raises(UserError, match=r"logits in step 1.*guidance_scale"):
        run(Oracle(), references(2), EditSettings(steps=2, layers=(1,), guidance_scale=1e38))
