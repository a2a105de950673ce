"""What the studies' scripts tell alike: Markdown tables, scores of stored rows with 95% intervals, as text and as points."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas
from scipy.stats import binomtest

from editmgt.analysis.statistics import paired_mean


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """Return a table; the first ``texts`` columns to the left, the others to the right."""
    rule = ["---" if column < texts else "---:" for column in range(len(head))]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, rule, *rows))


def p_value(p: float) -> str:
    """Return a p-value to three digits."""
    return "< .001" if p < 0.001 else f"{p:.3f}"


def rate(values: Any) -> str:
    """Return the share of a series of 0 and 1 with its exact (Clopper-Pearson) interval as text; NaN is left out, of none nothing."""
    known = values.dropna()
    if not len(known):
        return ""
    interval = binomtest(int(known.sum()), len(known)).proportion_ci()
    return f"{known.mean():.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def points(groups: Any) -> tuple[pandas.Series, list[pandas.Series]]:
    """Return the share of each group of 0 and 1, and how far its exact interval reaches below and above it, for ``errorbar``."""
    counts = groups.agg(["sum", "count"]).astype(int)
    means = counts["sum"] / counts["count"]
    ends = [binomtest(hits, n).proportion_ci() for hits, n in counts.to_numpy()]
    return means, [means - [end.low for end in ends], [end.high for end in ends] - means]


def difference(rows: pandas.DataFrame, score: str, settings: str, of: str, less: str, digits: int = 3) -> str:
    """Return a score of one of the settings less that of another, as text: paired, over images, as reports have it of one editor.

    Seeds of the noise are more pairs of an image, and no trainings: what two of them have in common is the image alone.

    Args:
        rows: with columns ``seed`` (of the noise), ``sample_id``, the score, and the column named ``settings``.
        of: value of that column.
        less: the value that is taken off.
    """
    wide = rows.pivot(index=["seed", "sample_id"], columns=settings, values=score)
    of_image = (wide[of] - wide[less]).dropna().groupby("sample_id")
    found = paired_mean([of_image.mean()], of_image.size())
    ends = map(float, (found.estimate, found.low, found.high))
    return "{:+.{d}f} [{:.{d}f}, {:.{d}f}]".format(*ends, d=digits)
