"""Benchmark protocols, a file each: which pictures are edited how, and what is its own in how they are judged.

A module of this package is a protocol, by the name that ``benchmark=`` gives it; so is a slice of :mod:`editmgt.benchmarks.slices`,
as ``scenes_SLICE``. Its function ``rows`` returns the samples. What ``rows`` takes are the keys of the protocol's YAML, and
its annotations what they may hold, beside those that every benchmark has (``size``: the first rows alone, where ``rows``
does not take it itself). It may also have

- ``PUBLISHED``: what others report on it, see :mod:`editmgt.benchmarks.published`;
- ``JUDGING``: what a vision-language model is asked about each edit, see :mod:`editmgt.benchmarks.judging`; of any
  protocol it can be asked which of two edits is better;
- ``folders(sample)``: the folders under ``images/`` where the official scorer looks for a sample's picture.
"""

from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

_PREFIX = "scenes_"
SLICES = tuple(sorted(module.name for module in iter_modules([str(Path(__file__).parents[1] / "slices")])))
_OWN = tuple(sorted(module.name for module in iter_modules(__path__)))
PROTOCOLS = (*_OWN, *(_PREFIX + name for name in SLICES))


@cache
def protocol(name: str) -> ModuleType:
    """Return the module of a protocol."""
    own = f"protocols.{name}" if name in _OWN else "slices"
    return import_module(f"editmgt.benchmarks.{own}")
