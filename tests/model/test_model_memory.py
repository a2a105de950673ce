"""A pass over some cells, with everything else from memory, against a pass over all."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_parts import HEIGHT, WIDTH, inputs, reference, small_model
from torch import Tensor

from editmgt.model.embeddings import side_by_side
from editmgt.model.memory import ActiveCells, Memory

CELLS = HEIGHT * WIDTH // 4


def codes_of(active_BN: Tensor) -> Tensor:
    """The codes [B,H,W] of cells."""
    grid = active_BN.unflatten(1, (HEIGHT // 2, WIDTH // 2))
    return grid.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)


@pytest.mark.parametrize("mode", ["attention", "input", "none"])
@pytest.mark.parametrize("bias", [(1.0, "all"), (1.3, "all"), (0.6, "image"), (0.0, "image"), (0.0, "all")])
@pytest.mark.parametrize("attends", ["everything", "itself"])
@settings(max_examples=10, deadline=None)
@given(chosen=st.lists(st.integers(0, 2**CELLS - 1), min_size=2, max_size=2))
def test_cells_computed_again_from_memory_are_what_they_were(
    mode: str, bias: tuple[float, str], attends: str, chosen: list[int]
) -> None:
    """Nothing changed between the passes, so the part is exact, however many cells of each sample it is."""
    model, memory = small_model(), Memory()
    model.set_reference_mode(mode)
    active_BN = torch.tensor([[bool(number >> cell & 1) for cell in range(CELLS)] for number in chosen])
    asked: dict[str, Any] = {
        "reference_strength": bias[0],
        "reference_strength_scope": bias[1],
        "reference_attends": attends,
        "attention_layers": (0, 1, 2),
        "logits_at": codes_of(active_BN),
        "memory": memory,
    }
    with torch.inference_mode():
        whole = model(*inputs(model), reference(model), **asked)
        part = model(*inputs(model), reference(model), **asked, active=ActiveCells.of(active_BN))
    torch.testing.assert_close(part.logits, whole.logits)
    for layer, seen in whole.attention.items():
        torch.testing.assert_close(part.attention[layer], seen)


@pytest.mark.parametrize("bias", [(1.0, "all"), (1.3, "all"), (0.6, "image"), (0.0, "image")])
def test_a_reference_that_attends_to_itself_is_the_same_at_every_step(bias: tuple[float, str]) -> None:
    """Other tokens, another timestep: with the reference from memory a pass is what it would be without one."""
    model, everywhere = small_model(), torch.ones(2, CELLS, dtype=torch.bool)
    tokens, states, pooled, timestep, micro = inputs(model)
    strength: dict[str, Any] = {"reference_strength": bias[0], "reference_strength_scope": bias[1]}
    asked = strength | {"reference_attends": "itself", "logits_at": codes_of(everywhere)}
    memory, later = Memory(), (tokens.flip(1), states, pooled, timestep / 2, micro)
    with torch.inference_mode():
        model(tokens, states, pooled, timestep, micro, reference(model), **asked, memory=memory)
        fresh = model(*later, reference(model), **asked).logits
        of_memory = model(*later, reference(model), **asked, memory=memory, active=ActiveCells.of(everywhere))
        heard_more = model(*later, reference(model), **asked | {"reference_attends": "everything"}).logits
    torch.testing.assert_close(of_memory.logits, fresh)
    assert not torch.allclose(fresh, heard_more)


def test_a_changed_cell_is_seen_by_the_others_from_then_on() -> None:
    model, memory = small_model(), Memory()
    tokens, *rest = inputs(model)
    changed = tokens.clone()
    changed[:, :2, :2] = 3
    first = torch.zeros(2, CELLS, dtype=torch.bool)
    first[:, 0] = True
    everywhere = torch.ones_like(tokens, dtype=torch.bool)
    with torch.inference_mode():
        before = model(tokens, *rest, reference(model), logits_at=everywhere, memory=memory).logits
        model(
            changed,
            *rest,
            reference(model),
            logits_at=codes_of(first),
            memory=memory,
            active=ActiveCells.of(first),
        )
        others = ActiveCells.of(~first)
        after = model(
            changed, *rest, reference(model), logits_at=codes_of(~first), memory=memory, active=others
        ).logits
    assert not torch.allclose(after, before[codes_of(~first).flatten()])


def test_what_fills_a_list_up_is_not_renewed() -> None:
    """The second sample is asked for nothing: its memory stays, though the first one's cells are computed beside it."""
    model, memory = small_model(), Memory()
    tokens, *rest = inputs(model)
    active_BN = torch.zeros(2, CELLS, dtype=torch.bool)
    active_BN[0, 1:4] = True
    with torch.inference_mode():
        model(tokens, *rest, reference(model), memory=memory)
        text = rest[0].shape[1]
        before = [kept.k_BLAK[1, text:].clone() for kept in memory.layers.values() if kept.k_BLAK is not None]
        asked = {"logits_at": codes_of(active_BN), "memory": memory, "active": ActiveCells.of(active_BN)}
        model(tokens.roll(1), *rest, reference(model), **asked)
    after = [kept.k_BLAK[1, text:] for kept in memory.layers.values() if kept.k_BLAK is not None]
    assert len(after) == model.num_blocks
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))


def test_guidance_before_the_last_map_is_guidance_on_logits() -> None:
    model = small_model()
    unknown = torch.rand(1, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)) < 0.5
    both = {"reference_tokens": reference(model), "logits_at": torch.cat([unknown, unknown])}
    unconditional, conditional = model(*inputs(model), **both).logits.chunk(2)
    guided = model(*inputs(model), **both, guidance_scale=6.0).logits
    torch.testing.assert_close(guided, unconditional + 6 * (conditional - unconditional))


def test_active_cells_come_first_and_once() -> None:
    active_BN = torch.tensor([[False, True, False, True], [False, False, False, True]])
    cells = ActiveCells.of(active_BN)
    assert cells.index_BR[0].tolist() == [1, 3] and cells.index_BR[1, 0] == 3
    assert cells.asked_BR.tolist() == [[True, True], [True, False]]
    assert all(len(set(row)) == len(row) for row in cells.index_BR.tolist())
    codes = side_by_side(torch.arange(16).view(1, 4, 4), 2)
    assert ActiveCells.of(active_BN[:1]).pick(codes)[0].tolist() == [
        codes[0, 1].tolist(),
        codes[0, 3].tolist(),
    ]
