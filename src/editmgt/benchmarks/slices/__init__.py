"""The reviewers' slices: the edits they asked about, rendered with exact truth."""

from editmgt.benchmarks.slices.dataset import SLICES, SliceDataset

__all__ = ["SLICES", "SliceDataset"]
