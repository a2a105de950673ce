"""Means of paired differences that know where their variance comes from, Holm's correction, and win rates.

Shapes: S training seeds, I source images; leading dimensions are studies of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import elementwise
from scipy.special import stdtrit

Array = NDArray[np.float64]

LEVEL = 0.95
# The least share of the variance over images that an interval may rest on: seeds that agree by chance (ties of
# binary scores) would make it too narrow. All of it would make intervals too wide where seeds do not differ.
_FLOOR = 0.5
_LEAST_P = 1e-16  # smaller ones are told as this

ESTIMATOR = (
    "mean of the paired differences; 95% interval from the two-way random-effects model (training seed crossed "
    "with source image) with Banerjee's t-weighted variances: half-width² = t²(S-1)·V_seeds + "
    "t²(I-1)·max(0, V_images - V_noise), and at least t²(I-1)·V_images/2, where V_seeds, V_images and V_noise are "
    "the variances of the mean that the seeds' means, the images' means and the residuals imply; p inverts the "
    "interval; of differences that are all equal it is the sign test's over images"
)
ESTIMATOR_ONE_SEED = (
    "mean of the paired differences; 95% t interval over source images (t(I-1)), conditional on the trained weights; of "
    "differences that are all equal p is the sign test's"
)


@dataclass(frozen=True)
class PairedMean:
    """A mean, its 95% interval and p against zero, and the standard deviations behind it, each [...].

    ``sd_seed`` is between training seeds, ``sd_image`` between source images, ``sd_noise`` what neither
    explains (with one seed it cannot be parted from ``sd_image``). NaN: cannot be told from these data.
    """

    estimate: Array
    low: Array
    high: Array
    p: Array
    sd_seed: Array
    sd_image: Array
    sd_noise: Array


def paired_mean(differences: ArrayLike, weights: ArrayLike | None = None) -> PairedMean:
    """Return the mean of paired differences under two crossed clusterings.

    The half-width is the square root of ``t²(S-1) V_S + t²(I-1) max(0, V_I - V_E)``: ``V_S`` estimates what
    seeds and noise add to the variance of the mean, ``V_I - V_E`` what images add, and each goes with the t
    quantile of its own degrees of freedom, which covers at least the nominal level for independent normal
    components (Banerjee 1961, Sankhya 23). With one seed this is the paired t interval over images.

    Where the differences do not vary there is no interval; p is then 1 for a difference of zero, else the sign test's over
    images (NaN for one image): all of them going one way is no lack of evidence.

    Args:
        differences: [..., S, I], finite; the I images are the same for every seed.
        weights: [I], samples of each image (their mean counts that often); None: one each.
    """
    return paired_means([(differences, weights)])[0]


def paired_means(several: Sequence[tuple[ArrayLike, ArrayLike | None]]) -> list[PairedMean]:
    """Return :func:`paired_mean` of each; their p-values are searched for together, as one search costs milliseconds."""
    found = [_variances(*one) for one in several]
    p_values: list[Array] = [np.empty(())] * len(found)
    for seeds, images in dict.fromkeys((one.seeds, one.images) for one in found):
        alike = [i for i, one in enumerate(found) if (one.seeds, one.images) == (seeds, images)]
        estimate, v_seeds, v_images, v_noise = (
            np.concatenate([np.ravel(found[i].moments[k]) for i in alike]) for k in range(4)
        )
        p = _p_value(estimate, v_seeds, v_images, v_noise, seeds, images)
        ends = np.cumsum([found[i].moments[0].size for i in alike])
        for i, part in zip(alike, np.split(p, ends[:-1]), strict=True):
            p_values[i] = part.reshape(found[i].moments[0].shape)
    return [one.mean(p) for one, p in zip(found, p_values, strict=True)]


@dataclass(frozen=True)
class _Variances:
    """What a mean's interval and p come from; ``moments`` are the estimate and the three variances, each [...]."""

    moments: tuple[Array, Array, Array, Array]
    largest: Array
    seeds: int
    images: int

    def mean(self, p: Array) -> PairedMean:
        estimate, v_seeds, v_images, v_noise = self.moments
        seeds, images = self.seeds, self.images
        alpha = np.asarray(1 - LEVEL)
        half = np.sqrt(_half_squared(alpha, v_seeds, v_images, v_noise, seeds, images))
        varies = half > 1e-10 * self.largest
        half = np.where(varies, half, np.nan)
        alike = max(0.5 ** (images - 1), _LEAST_P) if images > 1 else np.nan
        p = np.where(varies, p, np.where(estimate == 0, 1.0, alike))
        crossed = seeds > 1
        return PairedMean(
            estimate=estimate,
            low=estimate - half,
            high=estimate + half,
            p=p,
            sd_seed=np.sqrt(np.maximum(v_seeds - v_noise, 0) * seeds),
            sd_image=np.sqrt((np.maximum(v_images - v_noise, 0) if crossed else v_images) * images),
            sd_noise=np.sqrt(v_noise * seeds * images),
        )


def _variances(differences: ArrayLike, weights: ArrayLike | None) -> _Variances:
    d = np.asarray(differences, dtype=np.float64)
    seeds, images = d.shape[-2:]
    w = np.ones(images) if weights is None else np.asarray(weights, dtype=np.float64)
    w = w * images / w.sum()
    estimate = (d * w).mean((-2, -1))
    # influence of each (seed, image) on the weighted mean; plain deviations where weights are equal
    u = (d - estimate[..., None, None]) * w
    of_seeds, of_images = u.mean(-1), u.mean(-2)
    residual = u - of_seeds[..., :, None] - of_images[..., None, :]
    v_seeds = _over((of_seeds**2).sum(-1), (seeds - 1) * seeds)
    v_images = _over((of_images**2).sum(-1), (images - 1) * images)
    v_noise = _over((residual**2).sum((-2, -1)), (seeds - 1) * (images - 1) * seeds * images)
    largest = np.abs(d).max((-2, -1), initial=0)
    return _Variances((estimate, v_seeds, v_images, v_noise), largest, seeds, images)


def holm(p: ArrayLike) -> Array:
    """Return p-values corrected over the last dimension (Holm 1979); NaN is no test and stays NaN."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, axis=-1)  # NaN last
    tests = np.isfinite(values).sum(-1, keepdims=True)
    steps = np.take_along_axis(values, order, -1) * (tests - np.arange(values.shape[-1]))
    corrected = np.empty_like(values)
    np.put_along_axis(corrected, order, np.minimum(np.maximum.accumulate(steps, axis=-1), 1.0), -1)
    return corrected


def win_rate(differences: ArrayLike) -> float:
    """Return the share of positive differences, ties counted half; NaN where there is none."""
    d = np.asarray(differences, dtype=np.float64)
    return float((np.sign(d).mean() + 1) / 2) if d.size else float("nan")


def _half_squared(
    alpha: Array, v_seeds: Array, v_images: Array, v_noise: Array, seeds: int, images: int
) -> Array:
    """The squared half-width of the interval of level ``1 - alpha``."""
    t_seeds = stdtrit(seeds - 1, alpha / 2) ** 2 if seeds > 1 else 0.0
    t_images = stdtrit(images - 1, alpha / 2) ** 2 if images > 1 else 0.0
    if seeds == 1:
        return np.asarray(t_images * v_images)
    if images == 1:
        return np.asarray(t_seeds * v_seeds)
    whole = t_seeds * v_seeds + t_images * np.maximum(v_images - v_noise, 0)
    return np.maximum(whole, t_images * _FLOOR * v_images)


def _p_value(
    estimate: Array, v_seeds: Array, v_images: Array, v_noise: Array, seeds: int, images: int
) -> Array:
    """The alpha at which the interval ends at zero."""

    def excess(log_alpha: Array, estimate: Array, v_seeds: Array, v_images: Array, v_noise: Array) -> Array:
        return _half_squared(np.exp(log_alpha), v_seeds, v_images, v_noise, seeds, images) - estimate**2

    arguments = (estimate, v_seeds, v_images, v_noise)
    found = elementwise.find_root(excess, (np.log(_LEAST_P), 0.0), args=arguments, tolerances={"xatol": 1e-9})
    return np.where(found.success, np.exp(found.x), np.where(estimate == 0, 1.0, _LEAST_P))


def _over(total: Array, count: int) -> Array:
    """``total / count``; no degree of freedom, no estimate."""
    return total / count if count else np.full_like(total, np.nan)
