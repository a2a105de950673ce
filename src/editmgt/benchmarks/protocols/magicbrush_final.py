"""MagicBrush's sessions as a whole, under a name of their own: one sweep may hold both."""

from editmgt.benchmarks.protocols.magicbrush import rows

__all__ = ["rows"]
