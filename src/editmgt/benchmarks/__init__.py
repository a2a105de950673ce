"""Benchmarks: which pictures are edited how, and the truth as far as there is one."""

from editmgt.benchmarks.lookup import build, rows_digest
from editmgt.data.sample import EditSample, Samples

__all__ = ["EditSample", "Samples", "build", "rows_digest"]
