"""An object's pattern changes, or a small mark is put on it."""

from editmgt.data.scenes.kinds import texture as draw

__all__ = ["draw"]
