"""Benchmarks: which pictures are edited how, and the truth as far as there is one."""

from editmgt.benchmarks.benchmark_sample import BenchmarkSample, Samples
from editmgt.benchmarks.lookup import build, rows_digest

__all__ = ["BenchmarkSample", "Samples", "build", "rows_digest"]
