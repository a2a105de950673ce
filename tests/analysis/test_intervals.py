import numpy as np
import pandas
import pytest
from scipy import stats

from editmgt.analysis.intervals import difference, points, rate


def test_a_rate_has_the_exact_interval() -> None:
    values = pandas.Series([1.0] * 9 + [0.0])
    low, high = stats.beta.ppf([0.025, 0.975], [9, 10], [2, 1])
    assert rate(values) == f"0.900 [{low:.3f}, {high:.3f}]"
    assert rate(values[:0]) == ""


def test_points_reach_as_far_as_the_interval() -> None:
    rows = pandas.DataFrame({"cell": ["a"] * 10 + ["b"] * 4, "success": [1.0] * 9 + [0.0] + [0.0] * 4})
    means, (below, above) = points(rows.groupby("cell")["success"])
    assert means.to_dict() == {"a": 0.9, "b": 0.0}
    assert below["b"] == 0 and above["b"] == pytest.approx(1 - 0.025 ** (1 / 4))
    assert rate(rows["success"][:10]) == f"0.900 [{0.9 - below['a']:.3f}, {0.9 + above['a']:.3f}]"


def test_a_difference_is_paired_over_images_whatever_the_rows_order() -> None:
    on, off = np.array([0.1, 0.2, 0.6, np.nan]), np.array([0.3, 0.1, 0.9, 0.5])
    rows = pandas.concat(
        pandas.DataFrame({"seed": 0, "sample_id": [*"abcd"], "hold": name, "l1": values})
        for name, values in (("on", on), ("off", off))
    ).sample(frac=1, random_state=0)
    low, high = stats.ttest_1samp((off - on)[:3], 0).confidence_interval()
    assert difference(rows, "l1", "hold", "off", "on") == f"+0.133 [{low:.3f}, {high:.3f}]"
