"""Scores of stored rows with their 95% intervals, as text and as points of a figure."""

from typing import Any

import pandas
from scipy.stats import binomtest

from editmgt.analysis.statistics import paired_mean


def rate(values: Any) -> str:
    """Return the share of a series of 0 and 1 with its exact (Clopper-Pearson) interval as text; of none, nothing."""
    if not len(values):
        return ""
    interval = binomtest(int(values.sum()), len(values)).proportion_ci()
    return f"{values.mean():.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def points(groups: Any) -> tuple[pandas.Series, list[pandas.Series]]:
    """Return the share of each group of 0 and 1, and how far its exact interval reaches below and above it, for ``errorbar``."""
    counts = groups.agg(["sum", "count"]).astype(int)
    means = counts["sum"] / counts["count"]
    ends = [binomtest(hits, n).proportion_ci() for hits, n in counts.to_numpy()]
    return means, [means - [end.low for end in ends], [end.high for end in ends] - means]


def difference(rows: pandas.DataFrame, score: str, settings: str, of: str, less: str, digits: int = 3) -> str:
    """Return a score of one of the settings less that of another, paired over images and seeds of noise, as text.

    Args:
        rows: with columns ``seed``, ``sample_id``, the score, and the column named ``settings``.
        of: value of that column.
        less: the value that is taken off.
    """
    wide = rows.pivot(index=["seed", "sample_id"], columns=settings, values=score)
    found = paired_mean((wide[of] - wide[less]).unstack("seed").dropna().to_numpy().T)
    ends = map(float, (found.estimate, found.low, found.high))
    return "{:+.{d}f} [{:.{d}f}, {:.{d}f}]".format(*ends, d=digits)
