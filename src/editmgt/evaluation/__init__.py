"""Edits made, scored and kept: of an editor, and of the controls that say what a score is worth."""

from editmgt.evaluation.evaluate import controls, evaluate

__all__ = ["controls", "evaluate"]
