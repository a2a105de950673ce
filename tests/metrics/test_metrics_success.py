"""Edit success: the thresholds, the noop rule, and what must hold for any pictures."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from editmgt.benchmarks.slices import SliceDataset
from editmgt.metrics.success import (
    UNTOUCHED,
    changed_outside,
    edit_ratio,
    edit_success,
    edit_success_strict,
)


def case(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Source, target and the exact mask of where they differ (two samples)."""
    random = torch.Generator().manual_seed(seed)
    source, other = torch.randint(0, 256, (2, 2, 3, 12, 10), generator=random) / 255
    wanted = torch.rand(2, 1, 12, 10, generator=random) < torch.rand(2, 1, 1, 1, generator=random)
    target = torch.where(wanted, other, source)
    return source, target, (source != target).any(dim=1)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**20), share=st.floats(0, 1))
def test_any_edit(seed: int, share: float) -> None:
    source, target, mask = case(seed)
    assume(bool(mask.flatten(1).any(dim=1).all()))
    assert edit_success(target, source, target, mask).tolist() == [1, 1]
    assert edit_success_strict(target, source, target, mask).tolist() == [1, 1]
    assert edit_ratio(source, source, target, mask).tolist() == [1, 1]
    assert edit_success(source, source, target, mask).tolist() == [0, 0]
    # Part of the way to the target; what lies outside the mask plays no part.
    edited = torch.where(mask[:, None], target + share * (source - target), 1 - source)
    torch.testing.assert_close(
        edit_ratio(edited, source, target, mask), torch.full((2,), share), atol=1e-5, rtol=0
    )
    strict, loose = (
        edit_success_strict(edited, source, target, mask),
        edit_success(edited, source, target, mask),
    )
    assert (strict <= loose).all()


def test_thresholds_are_inclusive() -> None:
    source, target = torch.zeros(5, 3, 8, 8), torch.ones(5, 3, 8, 8)
    mask = torch.ones(5, 8, 8, dtype=torch.bool)
    left = torch.tensor([0, 0.25, 0.375, 0.5, 0.625])  # exact in binary
    edited = target - left.view(5, 1, 1, 1)
    assert edit_ratio(edited, source, target, mask).tolist() == left.tolist()
    assert edit_success(edited, source, target, mask).tolist() == [1, 1, 1, 1, 0]
    assert edit_success_strict(edited, source, target, mask).tolist() == [1, 1, 0, 0, 0]


def test_where_nothing_should_change() -> None:
    source, _, _ = case(1)
    nothing = torch.zeros(2, 12, 10, dtype=torch.bool)
    codec = (source + 0.1).clip(0, 1)  # a codec that loses a lot: not the editor's fault
    edited = codec.clone()
    edited[1, :, 5, 5] += 0.06  # one pixel of 120, twice what may be seen to differ
    assert edit_ratio(edited, source, source, nothing).isnan().all()
    assert edit_success(edited, source, source, nothing, codec).tolist() == [1, 0]
    assert edit_success_strict(edited, source, source, nothing, codec).tolist() == [1, 0]
    edited[1, :, 5, 5] -= 0.02  # not seen
    assert edit_success(edited, source, source, nothing, codec).tolist() == [1, 1]
    assert (
        edit_success(edited, source, source, nothing).isnan().all()
    )  # the rule needs the codec's round trip


@pytest.mark.parametrize(
    ("name", "seen"), [("small", 1), ("overlap", 1), ("ambiguous", 1), ("texture", 0.95)]
)
def test_a_small_objects_edit_is_not_nothing(name: str, seen: float) -> None:
    """Judged as if nothing should have changed, or as a change outside the edit, the edits of the slices are found."""
    rows = [SliceDataset(name)[index] for index in range(60)]
    source, target = (
        torch.stack([torch.from_numpy(getattr(row, side)) for row in rows]).permute(0, 3, 1, 2) / 255
        for side in ("source", "target")
    )
    nothing = torch.zeros(len(rows), *source.shape[2:], dtype=torch.bool)
    assert edit_success(target, source, source, nothing, source).mean() <= 1 - seen
    assert (changed_outside(target, source, nothing) > UNTOUCHED).float().mean() >= seen


def test_what_was_changed_outside_is_a_share_of_the_picture() -> None:
    source, edited = torch.zeros(3, 3, 10, 10), torch.zeros(3, 3, 10, 10)
    mask = torch.zeros(3, 10, 10, dtype=torch.bool)
    mask[:2, :5] = True
    mask[2] = True
    edited[0, :, :5] = 1  # all inside
    edited[1, :, 4:6] = 1  # a row inside, a row outside
    torch.testing.assert_close(
        changed_outside(edited, source, mask), torch.tensor([0, 0.1, torch.nan]), equal_nan=True
    )


def test_an_edit_and_a_noop_in_one_batch() -> None:
    source, target, mask = case(2)
    target[0], mask[0] = source[0], False
    assert edit_success(source, source, target, mask, source).tolist() == [1, 0]


def test_an_empty_mask_over_different_pictures_is_not_defined() -> None:
    source, target, mask = case(3)
    assert edit_success(target, source, target, torch.zeros_like(mask), source).isnan().all()
