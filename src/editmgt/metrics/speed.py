"""The time that an edit took."""

from torch import Tensor

from editmgt.metrics.registry import metric


@metric(
    "speed/edit_seconds",
    direction="lower",
    unit="s",
    low=0,
    high=None,
    description="what Editor.edit took for the sample's batch over the batch's size, the first batch's warm-up "
    "included; depends on the device and on the batch size",
    source="this project",
    reads=("seconds",),
)
def edit_seconds(seconds_B: Tensor) -> Tensor:
    """Return the seconds [B], at least 0, as they were measured."""
    return seconds_B
