"""Filters that an attention map may go through, a file each.

A module of this package is a filter, by the name that ``model.localization.smoothing`` gives it. Its function ``smooth`` takes
maps [B,h,w], looks at each alone, and leaves its peaks and its range nearly as they were.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SMOOTHINGS = tuple(sorted(module.name for module in iter_modules(__path__)))


def smooth(maps_Bhw: "Tensor", name: str) -> "Tensor":
    """Smooth each map by one of ``SMOOTHINGS``; another name is a ``ValueError``."""
    if name not in SMOOTHINGS:
        raise ValueError(f"smoothing '{name}' is not one of {', '.join(SMOOTHINGS)}")
    smoothed: Tensor = import_module(f"{__name__}.{name}").smooth(maps_Bhw)
    return smoothed
