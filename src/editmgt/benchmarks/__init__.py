"""Named protocols: which rows are edited, how they are scored, what is written."""

from editmgt.benchmarks.evaluate import controls, evaluate
from editmgt.benchmarks.registry import build, rows_digest
from editmgt.benchmarks.sample import BenchmarkSample, Samples
from editmgt.benchmarks.scenes import scenes

__all__ = ["BenchmarkSample", "Samples", "build", "controls", "evaluate", "rows_digest", "scenes"]
