"""Masks, drops and the loss: pure functions."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from editmgt.training.masking import (
    draw_drops,
    draw_masks,
    drop_conditions,
    hide_edits,
    hide_whole,
    masked_cross_entropy,
)


@given(seed=st.integers(0, 2**31), batch=st.integers(1, 8), length=st.integers(1, 300))
def test_every_sample_hides_the_stated_share_and_at_least_one(seed: int, batch: int, length: int) -> None:
    mask, ratio = draw_masks(torch.Generator().manual_seed(seed), batch, length)
    assert mask.shape == (batch, length)
    assert (mask.sum(1) >= 1).all()
    torch.testing.assert_close(mask.float().mean(1), ratio)


@given(seed=st.integers(0, 2**31), batch=st.integers(1, 8), side=st.integers(1, 12))
def test_an_edit_is_hidden_whole_where_it_is_to_be(seed: int, batch: int, side: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    mask, changed = (torch.rand(batch, side, side, generator=generator) < 0.5 for _ in range(2))
    hide = torch.rand(batch, generator=generator) < 0.5
    hidden, ratio = hide_edits(mask, changed, hide)
    torch.testing.assert_close(hidden[hide], (mask | changed)[hide])
    torch.testing.assert_close(hidden[~hide], mask[~hide])
    torch.testing.assert_close(hidden.float().mean((1, 2)), ratio)


@given(seed=st.integers(0, 2**31), batch=st.integers(1, 8), length=st.integers(1, 300))
def test_a_sample_is_hidden_whole_where_it_is_to_be(seed: int, batch: int, length: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    mask, _ = draw_masks(generator, batch, length)
    hide = torch.rand(batch, generator=generator) < 0.5
    hidden, ratio = hide_whole(mask, hide)
    assert hidden[hide].all()
    torch.testing.assert_close(hidden[~hide], mask[~hide])
    torch.testing.assert_close(hidden.float().mean(1), ratio)


def test_mask_ratio_has_the_published_density() -> None:
    """The arccosine of the ratio is uniform: mean 2/pi, variance 1/2 - 4/pi^2."""
    _, ratio = draw_masks(torch.Generator().manual_seed(0), 20000, 256)
    assert abs(ratio.mean().item() - 2 / math.pi) < 0.01
    assert abs(ratio.var().item() - (0.5 - 4 / math.pi**2)) < 0.01


def test_hidden_positions_are_uniform() -> None:
    mask, _ = draw_masks(torch.Generator().manual_seed(0), 20000, 16)
    share = mask.float().mean(0)
    assert (share - share.mean()).abs().max() < 0.02


@pytest.mark.parametrize(("probability", "expected"), [(0.0, 0.0), (1.0, 1.0), (0.1, 0.1)])
def test_conditions_drop_with_the_stated_probability(probability: float, expected: float) -> None:
    drops = draw_drops(torch.Generator().manual_seed(0), 20000, probability)
    tolerance = 4 * math.sqrt(expected * (1 - expected) / 20000)
    assert abs(drops.float().mean().item() - expected) <= tolerance


def test_a_dropped_text_is_the_empty_text_and_others_stay() -> None:
    ids, empty = torch.tensor([[1, 2], [3, 4]]), torch.tensor([0, 9])
    dropped = drop_conditions(ids, torch.tensor([True, False]), empty)
    assert dropped.tolist() == [[0, 9], [3, 4]]


def test_loss_is_cross_entropy_of_the_hidden_tokens_alone() -> None:
    torch.manual_seed(0)
    logits, codes = torch.randn(2, 7, 3, 4), torch.randint(0, 7, (2, 3, 4))
    mask = torch.rand(2, 3, 4) < 0.5
    labels = codes.masked_fill(~mask, -100)
    expected = F.cross_entropy(logits, labels, ignore_index=-100)
    torch.testing.assert_close(
        masked_cross_entropy(logits.movedim(1, -1)[mask], codes[mask], float(mask.sum())), expected
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_torchs_default_type_changes_nothing(dtype: torch.dtype) -> None:
    """Lightning sets it in a step of bf16-true and of 64-true."""

    def drawn() -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        return [*draw_masks(generator, 4, 1024), draw_drops(generator, 64, 0.5)]

    wanted = drawn()
    torch.set_default_dtype(dtype)
    try:
        found = drawn()
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(map(torch.equal, found, wanted))
