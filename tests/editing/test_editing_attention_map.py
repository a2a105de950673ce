from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from scipy import ndimage

from editmgt.editing.attention_map import layer_maps, localize, of_rows, score_maps
from editmgt.editing.filters import rescale
from editmgt.editing.hold import scores_at_codes
from editmgt.editing.hold_rules.threshold import held
from editmgt.editing.smoothings import smooth


def test_golden_maps(golden: Path) -> None:
    io = load_file(golden / "sampler.io.safetensors")
    maps = {name: io[f"localisation.{name}"].unflatten(1, (32, 32)) for name in ("raw", "rescaled")}
    assert torch.equal(rescale(maps["raw"]), maps["rescaled"])
    for method in ("adaptive", "gaussian"):
        wanted = io[f"localisation.{method}"].unflatten(1, (32, 32))
        assert (smooth(maps["rescaled"], method) - wanted).abs().max() < 1e-5


@given(seed=st.integers(0, 99), batch=st.integers(1, 3), text=st.integers(1, 6))
def test_chosen_rows_alone_make_the_map(seed: int, batch: int, text: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    maps = {layer: torch.rand(batch, text, 6, generator=generator) for layer in (1, 4)}
    rows = torch.rand(batch, text, generator=generator) < 0.5
    rows[:, seed % text] = True
    means = layer_maps(of_rows(maps, rows), [1, 4], (2, 3))
    for place, layer in enumerate((1, 4)):
        for sample in range(batch):
            alone = maps[layer][sample][rows[sample]].mean(0).view(2, 3)
            torch.testing.assert_close(means[place, sample], alone)


def published(values: np.ndarray, method: str) -> np.ndarray:
    """Smooth with scipy, from the description of the filter."""
    if method == "gaussian":
        smoothed = ndimage.gaussian_filter(values, 2.0)
    else:
        variance = ndimage.generic_filter(values, np.var, size=5)
        variance = (variance - variance.min()) / (np.ptp(variance) + 1e-8)
        weight = 1 - 0.7 * variance
        smoothed = weight * ndimage.gaussian_filter(values, 1.5) + (1 - weight) * values
    peaks = values > np.percentile(values, 90)
    smoothed[peaks] = 0.7 * values[peaks] + 0.3 * smoothed[peaks]
    if smoothed.max() > smoothed.min():
        smoothed = (smoothed - smoothed.min()) / np.ptp(smoothed) * np.ptp(values) + values.min()
    return smoothed


@pytest.mark.parametrize("method", ["adaptive", "gaussian"])
@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 20), width=st.integers(1, 20), seed=st.integers(0, 1000))
def test_same_as_scipy_on_any_grid(method: str, height: int, width: int, seed: int) -> None:
    """Smaller than the filter, too: its reflections then repeat."""
    maps = torch.rand(2, height, width, generator=torch.Generator().manual_seed(seed))
    wanted = np.stack([published(values.double().numpy(), method) for values in maps])
    # in double precision, where a map so small that it is all peaks does not magnify rounding
    assert np.abs(smooth(maps.double(), method).numpy() - wanted).max() < 1e-6


@pytest.mark.parametrize("method", ["adaptive", "gaussian", "none"])
def test_flat_maps_stay_flat(method: str) -> None:
    scores = localize({0: torch.full((2, 5, 12), 0.3)}, (0,), (3, 4), method)
    assert torch.equal(scores, torch.zeros(2, 3, 4))


@pytest.mark.parametrize("method", ["adaptive", "gaussian", "none"])
def test_range_and_independence(method: str) -> None:
    maps = rescale(torch.rand(3, 6, 7))
    smoothed = smooth(maps, method)
    assert torch.allclose(smoothed.amin(dim=(1, 2)), torch.zeros(3), atol=1e-6)
    assert torch.allclose(smoothed.amax(dim=(1, 2)), torch.ones(3), atol=1e-6)
    assert torch.equal(smooth(maps[1:2], method), smoothed[1:2])


def test_a_layers_map_is_a_mean_over_text_and_consolidation_one_over_layers() -> None:
    attention = {layer: torch.rand(2, 5, 12) for layer in range(4)}
    maps = layer_maps(attention, (1, 3), (3, 4))
    assert torch.equal(maps[1], attention[3].mean(dim=1).view(2, 3, 4))
    wanted = (attention[1] + attention[3]).mean(dim=1).view(2, 3, 4) / 2
    assert torch.allclose(localize(attention, (1, 3), (3, 4), "none"), rescale(wanted), atol=1e-5)


@pytest.mark.parametrize("smoothing", ["adaptive", "gaussian", "none"])
def test_scores_of_recorded_maps_are_the_mean_of_each_steps_scores(smoothing: str) -> None:
    steps = [{layer: torch.rand(2, 5, 30) for layer in range(3)} for _ in range(4)]
    recorded = torch.stack([layer_maps(attention, (0, 2), (5, 6)) for attention in steps])
    wanted = torch.stack([localize(attention, (0, 2), (5, 6), smoothing) for attention in steps]).mean(dim=0)
    assert torch.allclose(score_maps(recorded.permute(2, 0, 1, 3, 4), smoothing), wanted, atol=1e-6)


def test_scores_at_codes() -> None:
    scores = torch.rand(2, 3, 4)
    assert scores_at_codes(scores, 3, 4) is scores
    assert scores_at_codes(scores, 6, 8).shape == (2, 6, 8)
    assert torch.allclose(scores_at_codes(torch.full((1, 3, 4), 0.3), 6, 8), torch.full((1, 6, 8), 0.3))


def test_holding_is_strict_and_for_unknown_tokens() -> None:
    scores = torch.tensor([[[-0.1, 0.2, 0.3, 0.2]]])
    unknown = torch.tensor([[[True, True, True, False]]])
    assert (unknown & held(scores, 0.3)).tolist() == [[[True, True, False, False]]]
    assert not held(scores, 0.0).any()
