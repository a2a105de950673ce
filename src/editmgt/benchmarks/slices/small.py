"""The object covers less than 4% of the picture."""

from editmgt.data.scenes.kinds import small as draw

__all__ = ["draw"]
