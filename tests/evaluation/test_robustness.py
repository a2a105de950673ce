"""The robustness table of a sweep, from its stored rows."""

from pathlib import Path
from typing import Any

from stored_sweep import write_sweep

from editmgt.evaluation.robustness import table

HOLD = "model.region_hold"


def test_trainings_cells_go_by_their_names(tmp_path: Path) -> None:
    """What a training made has no checkpoint's name."""

    def score(levels: dict[str, Any], seed: int, i: int) -> dict[str, float]:
        return {"edit/success": float(levels[HOLD]), "edit/success_strict": 0.0, "outside_codec/changed": 0.0}

    sweep = write_sweep(tmp_path, {HOLD: [True, False], "benchmark.name": ["scenes"]}, [0], score, samples=20)
    text = table(sweep)
    for hold, success in (("true", "1.000"), ("false", "0.000")):
        cell = f"region_hold-{hold}__name-scenes__seed-0"
        assert f"| `scenes` | {cell} | {success} [" in text
        assert f"- scenes, {cell}, add: {success[:4]} (n=10)" in text
