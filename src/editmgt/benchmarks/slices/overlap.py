"""The object lies partly under or over another one."""

from editmgt.data.scenes.kinds import overlap as draw

__all__ = ["draw"]
