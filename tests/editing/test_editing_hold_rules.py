"""Hold rules: pure functions of a map, each sample alone."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage.filters import threshold_otsu
from torch import Tensor

from editmgt.editing import EditSettings
from editmgt.editing.hold import held_codes
from editmgt.editing.hold_rules import EVIDENCE, RULES, needs, rule, sources
from editmgt.editing.settings import MAP_SOURCES

seeds = st.integers(0, 10**6)


def maps(seed: int, batch: int = 3) -> Tensor:
    """Scores with ties, as probabilities that round to 0 and 1 have."""
    scores = torch.rand(batch, 6, 5, generator=torch.Generator().manual_seed(seed))
    return (1.4 * scores - 0.2).clamp(0, 1)


def apply(name: str, scores: Tensor, **settings: Any) -> Tensor:
    chosen = EditSettings(hold_rule=name, map_source=sources(name)[-1], **settings)
    return held_codes(chosen, scores, scores < 0.5)


def test_the_registry_is_the_files() -> None:
    assert RULES == ("hysteresis", "likelihood", "otsu", "quantile", "threshold")
    assert set(EVIDENCE["scores_BHW"]) == set(MAP_SOURCES)
    assert needs("quantile") == ("scores_BHW", "hold_quantile") and needs("otsu") == ("scores_BHW",)
    assert sources("likelihood") == ("posterior",) and sources("otsu") == MAP_SOURCES


@pytest.mark.parametrize("name", RULES)
@given(seed=seeds)
def test_each_map_alone_and_untouched(name: str, seed: int) -> None:
    scores = maps(seed)
    before = scores.clone()
    held = apply(name, scores)
    assert held.dtype == torch.bool and held.shape == scores.shape and torch.equal(scores, before)
    for row in range(len(scores)):
        assert torch.equal(apply(name, scores[row : row + 1])[0], held[row])


@pytest.mark.parametrize("name", ["otsu", "quantile", "threshold"])
@given(seed=seeds)
def test_what_is_held_scores_no_higher_than_what_is_free(name: str, seed: int) -> None:
    scores = maps(seed)
    for own, held in zip(scores, apply(name, scores), strict=True):
        if held.any() and not held.all():
            assert own[held].max() <= own[~held].min()


@pytest.mark.parametrize(("name", "setting"), [(n, s) for n in RULES for s in needs(n) if s not in EVIDENCE])
@given(seed=seeds, low=st.floats(0, 1), high=st.floats(0, 1))
def test_a_rule_holds_more_the_higher_its_setting_and_nothing_at_0(
    name: str, setting: str, seed: int, low: float, high: float
) -> None:
    low, high = sorted((low, high))
    scores = maps(seed)
    less, more = (apply(name, scores, **{setting: value}) for value in (low, high))
    assert (more | ~less).all()
    assert not apply(name, scores, **{setting: 0.0}).any()


@given(seed=seeds, share=st.floats(0, 1))
def test_quantile_holds_its_share_whatever_the_map(seed: int, share: float) -> None:
    for scores in (maps(seed), torch.zeros(3, 6, 5)):
        held = rule("quantile")(scores, share)
        assert held.flatten(1).sum(dim=1).tolist() == [round(30 * share)] * 3


@given(seed=seeds, low=st.floats(0.01, 1), high=st.floats(0.01, 1))
def test_hysteresis_holds_every_region_without_a_peak(seed: int, low: float, high: float) -> None:
    for scores, held in zip(maps(seed), rule("hysteresis")(maps(seed), low, high), strict=True):
        regions, count = ndimage.label(scores >= low, np.ones((3, 3)))
        free = [i + 1 for i in range(count) if scores[torch.from_numpy(regions == i + 1)].max() >= high]
        assert np.array_equal(~held, np.isin(regions, free))


@given(st.lists(st.integers(0, 255), min_size=2, max_size=40))
def test_otsu_is_scikit_images(levels: list[int]) -> None:
    """On whole numbers, where its histogram is exact."""
    image = np.array([levels], dtype=np.uint8)
    held = rule("otsu")(torch.tensor(image[None] / 255, dtype=torch.float32))[0].numpy()
    if len(set(levels)) == 1:
        assert not held.any()
        return

    def within(low: np.ndarray) -> float:
        return sum(float(part.var() * part.size) for part in (image[low], image[~low]) if part.size)

    assert within(held) == pytest.approx(within(image <= threshold_otsu(image)), rel=1e-4, abs=1e-2)


def test_otsu_parts_two_heaps_of_unequal_size() -> None:
    scores = torch.cat([torch.linspace(0.0, 0.05, 90), torch.linspace(0.8, 1.0, 10)]).view(1, 10, 10)
    assert rule("otsu")(scores).sum() == 90
    assert rule("otsu")(1e-6 * scores + 0.9).sum() == 90  # far from 0, where float32 is coarse
    assert not rule("otsu")(torch.full((2, 1, 1), 0.3)).any()
