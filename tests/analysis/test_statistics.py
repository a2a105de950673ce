"""The estimator against scipy's closed forms, Holm against statsmodels, and small cases by hand."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from editmgt.analysis.statistics import holm, paired_mean, win_rate


def test_one_seed_is_the_paired_t_interval_over_images() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 30))
    expected = stats.ttest_rel(a, b)
    found = paired_mean((a - b)[None])
    assert found.estimate == pytest.approx((a - b).mean())
    assert [found.low, found.high] == pytest.approx(list(expected.confidence_interval(0.95)))
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6)
    assert np.isnan(found.sd_seed) and found.sd_image == pytest.approx((a - b).std(ddof=1))


def test_one_image_is_the_paired_t_interval_over_seeds() -> None:
    a, b = np.random.default_rng(1).normal(size=(2, 6))
    expected = stats.ttest_rel(a, b)
    found = paired_mean((a - b)[:, None])
    assert [found.low, found.high] == pytest.approx(list(expected.confidence_interval(0.95)))
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6)


def test_where_only_seeds_differ_it_is_the_t_interval_over_the_seeds_means() -> None:
    seeds = np.array([0.1, 0.4, 0.3])
    expected = stats.ttest_1samp(seeds, 0)
    found = paired_mean(np.repeat(seeds[:, None], 50, axis=1))
    assert [found.low, found.high] == pytest.approx(list(expected.confidence_interval(0.95)))
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6)
    assert found.sd_seed == pytest.approx(seeds.std(ddof=1))
    assert [found.sd_image, found.sd_noise] == pytest.approx([0, 0], abs=1e-12)


def test_by_hand() -> None:
    # mean 2; seeds' means 1.5 and 2.5; images' means 1 and 3; residuals ±.5
    found = paired_mean([[1.0, 2.0], [1.0, 4.0]])
    v_seeds, v_images, v_noise = 0.5 / 2, 2.0 / 2, 1.0 / 4
    t = stats.t.ppf(0.975, 1)
    assert found.estimate == 2
    assert found.high - 2 == pytest.approx(np.sqrt(t**2 * v_seeds + t**2 * (v_images - v_noise)))
    assert found.sd_seed == 0 and found.sd_noise == 1  # V_seeds is all noise
    assert found.sd_image == pytest.approx(np.sqrt((v_images - v_noise) * 2))


def test_components_of_variance_are_the_ones_simulated() -> None:
    rng = np.random.default_rng(2)
    d = rng.normal(size=(60, 400)) + 0.5 * rng.normal(size=(60, 1)) + 2 * rng.normal(size=(1, 400))
    found = paired_mean(d)
    assert found.sd_seed == pytest.approx(0.5, rel=0.15)
    assert found.sd_image == pytest.approx(2, rel=0.1)
    assert found.sd_noise == pytest.approx(1, rel=0.02)


def test_seeds_that_agree_by_chance_do_not_make_the_interval_vanish() -> None:
    found = paired_mean([[1.0, 0, 0, 1], [0, 1.0, 1, 0], [1.0, 0, 0, 1]])
    assert found.high - found.low > 0.3 and found.p > 0.001


def test_images_count_by_their_samples() -> None:
    d = np.random.default_rng(3).normal(size=(3, 5))
    weighted = paired_mean(d, [1, 2, 1, 3, 1])
    assert weighted.estimate == pytest.approx(np.average(d, axis=1, weights=[1, 2, 1, 3, 1]).mean())
    for name, value in vars(paired_mean(d)).items():
        assert getattr(paired_mean(d, [4] * 5), name) == pytest.approx(value)


def test_differences_that_do_not_vary_have_no_interval() -> None:
    nothing, always = paired_mean(np.zeros((3, 9))), paired_mean(np.full((3, 9), 0.1))
    assert nothing.estimate == 0 and np.isnan(nothing.low) and nothing.p == 1
    assert always.estimate == pytest.approx(0.1) and np.isnan(always.low)
    assert always.p == pytest.approx(stats.binomtest(9, 9).pvalue)  # of the sign test
    assert paired_mean(np.ones((1, 5000))).p == 1e-16
    alone = paired_mean([[2.0]])
    assert alone.estimate == 2 and np.isnan(alone.low) and np.isnan(alone.p)


def test_the_interval_and_p_say_the_same() -> None:
    d = np.random.default_rng(4).normal(0.25, 1, size=(200, 3, 40))
    found = paired_mean(d)
    assert np.array_equal(found.p < 0.05, (found.low > 0) | (found.high < 0))
    assert 0.1 < (found.p < 0.05).mean() < 0.9


def test_holm_is_statsmodels_and_leaves_out_what_is_no_test() -> None:
    p = np.random.default_rng(5).uniform(0, 0.2, size=(20, 7))
    for row, corrected in zip(p, holm(p), strict=True):
        assert corrected == pytest.approx(multipletests(row, method="holm")[1])
    assert holm([0.04, np.nan, 0.01]) == pytest.approx([0.04, np.nan, 0.02], nan_ok=True)
    assert holm([]).size == 0


def test_ties_win_half() -> None:
    assert win_rate([1.0, 0.0, 0.0, -1.0]) == 0.5
    assert win_rate([2.0, 0.5, 0.0, -1.0]) == 0.625
    assert np.isnan(win_rate([]))
