"""Localisation against scipy's Mann-Whitney U and against every threshold tried in turn."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from editmgt.metrics.localization import (
    held_fraction,
    localization_auc,
    localization_iou,
    localization_iou_best,
    pointing_game,
    reliability,
)


def case(seed: int, levels: int, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Maps of few levels (many ties) and masks with at least one pixel of each kind."""
    random = torch.Generator().manual_seed(seed)
    scores = torch.randint(0, levels, (3, *size), generator=random) / levels
    mask = torch.rand(3, *size, generator=random) < torch.rand(3, 1, 1, generator=random)
    mask[:, 0, 0], mask[:, -1, -1] = True, False
    return scores, mask


CASES = {
    "seed": st.integers(0, 2**20),
    "levels": st.sampled_from([1, 2, 5, 1000]),
    "size": st.tuples(st.integers(1, 9), st.integers(2, 9)),
}


@settings(max_examples=60, deadline=None)
@given(**CASES)
def test_auc_equals_mann_whitney(seed: int, levels: int, size: tuple[int, int]) -> None:
    scores, mask = case(seed, levels, size)
    for index, auc in enumerate(localization_auc(scores, mask).tolist()):
        inside, outside = scores[index][mask[index]], scores[index][~mask[index]]
        u = mannwhitneyu(inside.numpy(), outside.numpy(), method="asymptotic").statistic
        assert auc == pytest.approx(u / (len(inside) * len(outside)), abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(**CASES)
def test_best_iou_is_the_best_of_all_thresholds(seed: int, levels: int, size: tuple[int, int]) -> None:
    scores, mask = case(seed, levels, size)
    for index, best in enumerate(localization_iou_best(scores, mask).tolist()):
        one, truth = scores[index : index + 1], mask[index : index + 1]
        every = [localization_iou(one, truth, t).item() for t in one.unique().tolist()]
        assert best == pytest.approx(max(every), abs=1e-6)


def test_iou_at_a_threshold_equals_numpy_and_takes_the_threshold_itself_as_free() -> None:
    scores, mask = case(0, 5, (20, 20))
    for threshold in (0.0, 0.2, 0.5, 1.1):
        got = localization_iou(scores, mask, threshold).tolist()
        for index in range(3):
            free, truth = scores[index].numpy() >= np.float32(threshold), mask[index].numpy()
            assert got[index] == pytest.approx((free & truth).sum() / (free | truth).sum(), abs=1e-6)


@pytest.mark.parametrize("function", [localization_auc, localization_iou_best])
def test_empty_and_full_masks_are_not_defined(function) -> None:  # type: ignore[no-untyped-def]
    scores, mask = case(1, 5, (8, 8))
    mask[0], mask[1] = False, True
    assert function(scores, mask).isnan().tolist() == [True, True, False]


def test_iou_is_not_defined_for_an_empty_mask_only() -> None:
    scores, mask = case(1, 5, (8, 8))
    mask[0], mask[1] = False, True
    assert localization_iou(scores, mask, 0.5).isnan().tolist() == [True, False, False]


def test_a_perfect_map_a_reversed_one_and_a_flat_one() -> None:
    mask = torch.zeros(3, 16, 16, dtype=torch.bool)
    mask[:, 3:9, 5:12] = True
    scores = torch.stack([mask[0].float(), 1 - mask[0].float(), torch.full((16, 16), 0.3)])
    assert localization_auc(scores, mask).tolist() == [1.0, 0.0, 0.5]
    assert localization_iou_best(scores, mask)[0].item() == 1.0


def test_a_coarse_map_is_brought_to_the_pixels() -> None:
    coarse = torch.zeros(1, 8, 6)
    coarse[:, 2:5, 1:4] = 1
    mask = torch.zeros(1, 64, 48, dtype=torch.bool)
    mask[:, 16:40, 8:32] = True
    assert localization_auc(coarse, mask).item() > 0.99
    assert localization_iou(coarse, mask, 0.5).item() > 0.9


def test_a_large_picture_keeps_its_exact_sums() -> None:
    mask = torch.zeros(1, 512, 512, dtype=torch.bool)
    mask[:, 100:450, 50:500] = True
    scores = torch.rand(1, 512, 512, generator=torch.Generator().manual_seed(0)) + 0.2 * mask
    inside, outside = scores[mask].numpy(), scores[~mask].numpy()
    expected = mannwhitneyu(inside, outside, method="asymptotic").statistic / (inside.size * outside.size)
    assert localization_auc(scores, mask).item() == pytest.approx(expected, abs=1e-6)


def test_held_fraction() -> None:
    held = torch.zeros(2, 4, 4, dtype=torch.bool)
    held[1, :, 0] = True
    assert held_fraction(held).tolist() == [0, 0.25]


@pytest.mark.parametrize("broken", [torch.nan, torch.inf, -torch.inf])
def test_a_map_that_is_not_finite_has_no_value(broken: float) -> None:
    """Not even one that compares: an area of 1.23 was read off NaN."""
    scores, mask = case(3, 5, (8, 8))
    scores[0], scores[1, 2, 3] = broken, broken
    measures = [
        localization_auc(scores, mask), localization_iou(scores, mask, 0.5), localization_iou_best(scores, mask),
        pointing_game(scores, mask),
    ]  # fmt: skip
    for values in measures:
        assert values.isnan().tolist() == [True, True, False]
    for found, alone in zip(reliability(scores, mask), reliability(scores[2:], mask[2:]), strict=True):
        assert torch.equal(found, alone)
