"""Everything that a run leaves on disk: the names, the columns, how it is written and read, and what a broken file means.

Every reader raises :class:`BrokenFile` for a file that is not what was written, and an ``OSError`` where the disk fails;
:func:`readable` is for those who can go on without it. Nothing here knows what the numbers are of.
"""

from editmgt.results.broken import BrokenFile, readable
from editmgt.results.rows import Row, RowFile
from editmgt.results.run_directory import RunDirectory
from editmgt.results.sweep_directory import SweepDirectory

__all__ = ["BrokenFile", "Row", "RowFile", "RunDirectory", "SweepDirectory", "readable"]
