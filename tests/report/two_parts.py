"""Scores of a sweep over two of the parts, and a terminal that nobody reads."""

from io import StringIO
from typing import Any

import numpy as np
from rich.console import Console

HOLD, INJECTION = "model.region_hold", "model.attention_injection"
FACTORS = {INJECTION: [True, False], HOLD: [True, False]}


def score(levels: dict[str, Any], seed: int, i: int) -> dict[str, float]:
    """Injection helps success much; hold only keeps the outside."""
    rng = np.random.default_rng([seed, i, levels[INJECTION], levels[HOLD]])
    success = float(rng.random() < (0.9 if levels[INJECTION] else 0.1))
    return {
        "edit/success": success,
        "outside/l1": 0.01 * (1 + 2 * (not levels[HOLD])) * (1 + rng.random()),
        "whole/l1": 0.1 - 0.05 * success + 0.01 * rng.random(),
        "speed/edit_seconds": 0.2,
    }


def quiet() -> Console:
    return Console(file=StringIO(), width=200)
