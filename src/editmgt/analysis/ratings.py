"""How good players are by who beat whom: Bradley-Terry ratings on Elo's scale, with bootstrap intervals.

Shapes: K players, C clusters of comparisons; leading dimensions are fits of their own.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import connected_components

Array = NDArray[np.float64]

MIDDLE, SCALE = 1000.0, 400 / math.log(10)  # Elo's: 400 points more win ten times as often as they lose
PRIOR = 1.0  # weight of the penalty on squared strengths, as in GEditBench v2's scorer
_DRAWS, _SEED, _LEVEL = 1000, 0, 0.95
_STEPS, _LONGEST, _EXACT = 200, 2.0, 1e-10  # of Newton's method: how many, how far each, and when it is there

ESTIMATOR = (
    "Ratings: Bradley-Terry on Elo's scale (mean 1000; 400 points more: ten wins for a loss); a tie is half a win for "
    f"each; a weak prior (half of {PRIOR:g} times the squared strengths, as in GEditBench v2's scorer) keeps the rating of one "
    f"that wins or loses everything finite, and draws one-sided ratings of few comparisons to the mean; 95% intervals from "
    f"{_DRAWS} bootstrap draws of source images, which do not count that: none for one that won or lost everything, or where all draws are alike"
)


@dataclass(frozen=True)
class Ratings:
    """Ratings and their 95% intervals, [K] each; NaN for a player that has met none of the others, and for unknown ends."""

    estimate: Array
    low: Array
    high: Array


def strengths(wins: ArrayLike, prior: float = PRIOR) -> Array:
    """Return log-strengths [..., K], of mean 0, that make ``wins`` likeliest under a normal prior.

    Player i beats player j with probability ``1 / (1 + exp(s_j - s_i))``. The order of players, and of the comparisons,
    changes nothing.

    Args:
        wins: [..., K, K], how often the row's player beat the column's, a tie as half for each.
        prior: inverse variance of the strengths, over 0: without it one that won everything would be infinitely strong.
    """
    won = np.asarray(wins, dtype=np.float64)
    met = won + np.swapaxes(won, -1, -2)
    found = np.zeros(won.shape[:-1])
    identity = np.eye(won.shape[-1])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(found[..., None, :] - found[..., :, None]))
        slope = (won - met * chance).sum(-1) - prior * found
        bend = met * chance * (1 - chance)
        curvature = (bend.sum(-1)[..., None] + prior) * identity - bend
        step = np.linalg.solve(curvature, slope[..., None])[..., 0]
        largest = np.abs(step).max(initial=0)
        found = found + step.clip(-_LONGEST, _LONGEST)
        found -= found.mean(-1, keepdims=True)  # only rounding, and the clip, part it from 0
        if largest < _EXACT:
            break
    return found


def ratings(wins: ArrayLike, draws: int = _DRAWS, seed: int = _SEED) -> Ratings:
    """Return ratings of all comparisons, and 95% percentile intervals over draws of whole clusters with replacement.

    Players fall into groups that never met where comparisons are missing; what is outside the largest has no rating
    beside it, and is NaN. There is no interval for one that won or lost everything, whose rating is the prior's, nor where all
    draws are alike, as those of one cluster or of ties alone.

    Args:
        wins: [C, K, K], as in :func:`strengths`, for each cluster.
        draws: of the bootstrap.
        seed: of its randomness.
    """
    won = np.asarray(wins, dtype=np.float64)
    clusters, players = won.shape[:2]
    total = won.sum(0)
    _, group = connected_components(total + total.T, directed=False)
    alone = np.bincount(group, minlength=1).max(initial=0) < 2
    apart = np.full(players, True) if alone else group != np.bincount(group).argmax()
    drawn = np.random.default_rng(seed).multinomial(clusters, np.full(clusters, 1 / clusters), size=draws)
    samples = strengths((drawn @ won.reshape(clusters, -1)).reshape(draws, players, players))
    tail = 100 * (1 - _LEVEL) / 2
    low, high = np.percentile(samples, [tail, 100 - tail], axis=0)
    unsure = apart | (total.sum(0) == 0) | (total.sum(1) == 0) | (high - low < _EXACT)
    return Ratings(
        *(
            np.where(unknown, math.nan, MIDDLE + SCALE * values)
            for values, unknown in ((strengths(total), apart), (low, unsure), (high, unsure))
        )
    )
