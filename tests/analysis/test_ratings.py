"""Ratings against closed forms and outside libraries, and what must not change them."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from editmgt.analysis.ratings import MIDDLE, SCALE, ratings, strengths

COUNTS = hnp.arrays(np.int64, (4, 4), elements=st.integers(0, 30)).map(lambda w: w * (1 - np.eye(4)))


@pytest.mark.parametrize(("won", "lost"), [(30, 10), (7.5, 2.5), (1, 1), (400, 1)])
def test_two_players_have_a_closed_form(won: float, lost: float) -> None:
    first, second = strengths([[0, won], [lost, 0]], prior=1e-9)
    assert first - second == pytest.approx(math.log(won / lost), abs=1e-6)
    assert first + second == pytest.approx(0, abs=1e-6)


def test_without_a_prior_it_is_a_logistic_regression() -> None:
    wins = np.array([[0, 8, 5, 9], [4, 0, 7, 6], [3, 5, 0, 8], [2, 1, 4, 0]])
    pairs = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    design = np.array([np.eye(4)[i] - np.eye(4)[j] for i, j in pairs])
    counts = np.array([[wins[i, j], wins[j, i]] for i, j in pairs])
    fitted = sm.GLM(counts, design[:, 1:], family=sm.families.Binomial()).fit(tol=1e-12)
    expected = np.r_[0, fitted.params]
    np.testing.assert_allclose(strengths(wins, prior=1e-9), expected - expected.mean(), atol=1e-6)


@given(wins=COUNTS)
def test_it_is_the_optimum_that_another_optimiser_finds(wins: np.ndarray) -> None:
    def loss(s: np.ndarray) -> float:
        return float(s @ s / 2 - (wins * log_expit(s[:, None] - s[None])).sum())

    found = strengths(wins)
    assert loss(found) <= minimize(loss, np.zeros(4)).fun + 1e-6
    gradient = found - (wins - (wins + wins.T) * expit(found[:, None] - found[None])).sum(1)
    np.testing.assert_allclose(gradient, 0, atol=1e-6)


@given(wins=COUNTS, order=st.permutations(range(4)), ties=st.integers(0, 9))
def test_names_and_order_are_nothing_and_a_tie_is_half_for_each(
    wins: np.ndarray, order: list[int], ties: int
) -> None:
    found = strengths(wins)
    np.testing.assert_allclose(strengths(wins[np.ix_(order, order)]), found[order], atol=1e-8)
    np.testing.assert_allclose(strengths(wins.T), -found, atol=1e-8)
    assert found.sum() == pytest.approx(0, abs=1e-8)
    tied = wins.copy()
    tied[[0, 1], [1, 0]] += ties / 2  # those two come nearer to each other, never farther
    closer = strengths(tied)
    assert abs(closer[0] - closer[1]) <= abs(found[0] - found[1]) + 1e-8
    equal = (wins + wins.T) / 2
    np.testing.assert_allclose(strengths(equal), 0, atol=1e-8)


@pytest.mark.parametrize("games", [1, 50, 5000])
def test_one_that_wins_everything_is_strongest_and_finite(games: int) -> None:
    wins = np.zeros((3, 3))
    wins[0, 1:] = wins[1, 2] = games
    found = ratings(np.stack([wins] * 3))
    assert np.isfinite(found.estimate).all() and (np.diff(found.estimate) < 0).all()
    # how much one that won or lost everything is better or worse only the prior says
    assert np.isnan(found.low[[0, 2]]).all() and np.isnan(found.high[[0, 2]]).all()
    more = strengths(wins * 2)
    assert more[0] > strengths(wins)[0]


def test_what_never_met_has_no_rating() -> None:
    wins = np.zeros((2, 5, 5))
    wins[:, 0, 1] = wins[:, 1, 2] = 3
    wins[:, 3, 4] = wins[0, 2, 1] = 1
    found = ratings(wins)
    assert np.isnan(found.estimate).tolist() == [False] * 3 + [True] * 2
    assert np.isnan(found.low).tolist() == np.isnan(found.high).tolist() == [True, False, False, True, True]
    assert np.isnan(ratings(np.zeros((2, 3, 3))).estimate).all()


def test_one_image_has_ratings_and_no_interval() -> None:
    """Draws with replacement from one cluster are all alike: an interval of no width would claim to be certain."""
    found = ratings(np.array([[[0, 3, 1], [1, 0, 2], [1, 1, 0]]]))
    assert np.isfinite(found.estimate).all() and np.isnan([found.low, found.high]).all()


def test_four_hundred_points_are_ten_to_one() -> None:
    assert SCALE * math.log(10) == pytest.approx(400) and MIDDLE == 1000
    found = ratings(np.array([[[0, 10_000], [1_000, 0]]] * 4)).estimate
    assert found[0] - found[1] == pytest.approx(400, abs=0.5) and found.mean() == pytest.approx(1000)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """And are over clusters: five equal comparisons of a sample are one."""
    truth, generator, covered, rounds = np.array([0.4, 0.0, -0.4]), np.random.default_rng(0), 0, 200
    chance = expit(truth[:, None] - truth[None])
    for _ in range(rounds):
        upper = np.triu(generator.random((80, 3, 3)) < chance, 1)
        wins = 5.0 * (upper + np.swapaxes(np.triu(~upper, 1), 1, 2))
        found = ratings(wins, draws=200)
        covered += ((found.low <= MIDDLE + SCALE * truth) & (MIDDLE + SCALE * truth <= found.high)).sum()
    assert 0.9 < covered / (3 * rounds) < 0.98


def test_the_same_comparisons_have_the_same_intervals() -> None:
    wins = np.random.default_rng(0).integers(0, 3, (20, 3, 3)) * (1 - np.eye(3))
    first, again = ratings(wins), ratings(wins)
    assert (first.low == again.low).all() and (first.low < first.estimate).all()
    assert (first.estimate < first.high).all()
