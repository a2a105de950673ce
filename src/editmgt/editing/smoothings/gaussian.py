"""A plain Gaussian."""

from torch import Tensor

from editmgt.editing.filters import gaussian, restore

SIGMA = 2.0  # cells


def smooth(maps_Bhw: Tensor) -> Tensor:
    """Blur the maps, and bring back their peaks and their range."""
    return restore(maps_Bhw, gaussian(maps_Bhw, SIGMA))
