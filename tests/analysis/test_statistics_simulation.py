"""2,000 simulated studies each, with known truth: do 95% intervals cover, and do corrected tests keep to 5%?"""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from editmgt.analysis.contrasts import Design, Factor
from editmgt.analysis.statistics import Array, holm, paired_mean

STUDIES, IMAGES = 2000, 100
EFFECT = 0.2
SEED_SD = {"none": 0.0, "some": 0.15, "much": 1.0}  # beside noise of 1 and images of 0.5


def continuous(rng: np.random.Generator, seeds: int, seed_sd: float) -> tuple[Array, float]:
    """Differences [studies, seeds, images], and their true mean."""
    d = rng.standard_normal((STUDIES, seeds, IMAGES))
    d += seed_sd * rng.standard_normal((STUDIES, seeds, 1)) + 0.5 * rng.standard_normal((STUDIES, 1, IMAGES))
    return d + EFFECT, EFFECT


def binary(rng: np.random.Generator, seeds: int, seed_sd: float) -> tuple[Array, float]:
    """Differences of successes, -1, 0 or 1: the seeds move each cell's threshold, images are harder or easier."""

    def success(shift: float) -> Array:
        latent = rng.standard_normal((STUDIES, seeds, IMAGES)) + seed_sd * rng.standard_normal(
            (STUDIES, seeds, 1)
        )
        return (latent + image + shift > 0).astype(float)

    image = rng.standard_normal((STUDIES, 1, IMAGES))
    # the latent variable's variance is 1 (noise) + seed_sd² + 1 (image)
    truth = norm.cdf(EFFECT / np.sqrt(2 + seed_sd**2)) - 0.5
    return success(EFFECT) - success(0), float(truth)


@pytest.mark.parametrize("outcome", [continuous, binary])
@pytest.mark.parametrize("spread", SEED_SD)
@pytest.mark.parametrize("seeds", [3, 10])
def test_the_interval_covers(outcome: Callable[..., tuple[Array, float]], spread: str, seeds: int) -> None:
    differences, truth = outcome(np.random.default_rng(seeds), seeds, SEED_SD[spread])
    found = paired_mean(differences)
    covered = float(((found.low <= truth) & (truth <= found.high)).mean())
    print(f"{outcome.__name__}, {seeds} seeds, {spread} variance between them: {covered:.1%}")
    assert covered >= 0.93
    assert seeds == 3 or covered <= 0.97


@pytest.mark.parametrize("spread", SEED_SD)
@pytest.mark.parametrize("seeds", [3, 10])
def test_corrected_tests_of_a_factorial_keep_to_their_level(spread: str, seeds: int) -> None:
    """No factor does anything; is any of the study's effects called real in more than 5% of the studies?"""
    factors = tuple(
        Factor(key, (True, False), ("true", "false")) for key in ("injection", "consolidation", "hold")
    )
    design = Design(factors, {"consolidation": {"hold": frozenset({0})}})
    rng, images = np.random.default_rng(10 + seeds), 40
    image = rng.standard_normal((STUDIES, 1, images))
    cells = {}
    for levels in itertools.product((0, 1), repeat=3):
        latent = 0.7 * rng.standard_normal((STUDIES, seeds, images))
        latent += image + SEED_SD[spread] * rng.standard_normal((STUDIES, seeds, 1))
        cells[levels] = (latent > 0).astype(float)
    for levels in cells:  # what does not act there is the same picture
        cells[levels] = cells[design.canonical(levels)]
    contrasts = design.effects()
    assert [c.kind for c in contrasts] == ["main", "nested", "main", "interaction", "interaction"]
    p = [paired_mean(sum(w * cells[levels] for levels, w in c.weights.items())).p for c in contrasts]
    false = int((holm(np.stack(p, axis=-1)) < 0.05).any(-1).sum())
    print(
        f"{seeds} seeds, {spread} variance between them: {false / STUDIES:.1%} of studies with a false effect"
    )
    assert binomtest(false, STUDIES, 0.05, alternative="greater").pvalue > 0.01
