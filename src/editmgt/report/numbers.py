"""Numbers as a reader wants them: as many digits as their interval carries."""

import math

import numpy as np

from editmgt.analysis.effects import Effect, Summary
from editmgt.metrics.registry import REGISTRY

ARROWS = {"higher": " ↑", "lower": " ↓", "neither": ""}
MINUS = "−"
JUDGED = "judge/"  # scores that a judge gave, on the judge's own scale; higher is better


def metric_title(name: str) -> str:
    """Return a metric's name, its unit where it has one, and which way is better."""
    spec = REGISTRY[name]
    return name + (f" [{spec.unit}]" if spec.unit != "1" else "") + ARROWS[spec.direction]


def column_title(name: str) -> str:
    """Return a metric's or a judge's name and which way is better."""
    return name + ARROWS["higher" if name.startswith(JUDGED) else REGISTRY[name].direction]


def decimals(name: str) -> int:
    """Return the decimals that a metric's mean is shown with."""
    return 3 if name not in REGISTRY or REGISTRY[name].unit != "dB" else 1


def interval(summary: Summary, signed: bool = True) -> str:
    """Return ``+0.12 [+0.08, +0.16]``, to two digits of the half-width."""
    if not math.isfinite(summary.estimate):
        return "–"
    half = (summary.high - summary.low) / 2
    digits = _digits(half) if math.isfinite(half) and half > 0 else 3
    estimate, low, high = (number(x, digits, signed) for x in (summary.estimate, summary.low, summary.high))
    return f"{estimate} [{low}, {high}]" if math.isfinite(half) else estimate


def number(value: float, digits: int = 3, signed: bool = False) -> str:
    """Return a fixed-point number with a true minus sign; NaN is a dash."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def p_value(p: float) -> str:
    """Return a p-value to three digits."""
    if not math.isfinite(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def percent(share: float) -> str:
    """Return a share in percent."""
    return f"{share:.0%}" if math.isfinite(share) else "–"


def spread(value: float, like: Summary) -> str:
    """Return a standard deviation with the digits of the estimate that it belongs to."""
    half = (like.high - like.low) / 2
    return number(value, _digits(half) if math.isfinite(half) and half > 0 else 3)


def verdict(effect: Effect) -> str:
    """Return ``real``, ``suggestive``, ``not shown`` or ``unknown``: what the numbers allow to say."""
    summary = effect.summary
    if not summary.n or not np.isfinite(effect.p_corrected):
        return "unknown"
    if effect.p_corrected < 0.05:
        return "real"
    return "suggestive" if summary.low > 0 or summary.high < 0 else "not shown"


def _digits(half: float) -> int:
    return min(max(1 - math.floor(math.log10(half)), 0), 6)
