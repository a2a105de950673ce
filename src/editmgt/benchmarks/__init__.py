"""Named protocols: which rows are edited, how they are scored, what is written."""

from editmgt.benchmarks.evaluate import controls, evaluate
from editmgt.benchmarks.scenes import scenes

__all__ = ["controls", "evaluate", "scenes"]
