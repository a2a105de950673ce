"""As published: a Gaussian where the map is calm, the map itself where it varies, as at the edge of an object."""

from torch import Tensor

from editmgt.editing.filters import SHARPNESS, gaussian, local_variance, rescale, restore

SIGMA = 1.5  # cells
RADIUS = 2  # of the windows in which variance is taken, 5x5


def smooth(maps_Bhw: Tensor) -> Tensor:
    """Mix the maps and their blur by the variance around each cell, and bring back their peaks and their range."""
    detail = SHARPNESS * rescale(local_variance(maps_Bhw, RADIUS))
    blurred = gaussian(maps_Bhw, SIGMA)
    return restore(maps_Bhw, (1 - detail) * blurred + detail * maps_Bhw)
