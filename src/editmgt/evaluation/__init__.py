"""Edits made, scored and kept: of an editor, and of the controls that say what a score is worth."""
