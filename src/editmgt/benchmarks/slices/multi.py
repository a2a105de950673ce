"""Two edits in one sentence."""

from editmgt.data.scenes.kinds import multi as draw

__all__ = ["draw"]
