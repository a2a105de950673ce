"""The scenes of plain surfaces and backgrounds."""

from editmgt.benchmarks.protocols.scenes import rows

__all__ = ["rows"]
