"""The embedded benchmark: rendered scenes that no training has seen, with exact targets and masks."""

from typing import Literal

from editmgt.data.scenes import WORLDS, SceneDataset
from editmgt.errors import UserError, nearest
from editmgt.settings import ranges


def rows(
    size: ranges.Samples = 128,
    seed: ranges.Seed = 0,
    resolution: ranges.Resolution = 64,
    world: Literal["full", "basic"] = "full",
    split: Literal["test", "dev"] = "test",
) -> SceneDataset:
    """Return ``size`` edits, all seven types, the same ones for the same arguments.

    ``split`` is ``test``, or ``dev`` for whatever is chosen by looking at results (thresholds, layers).

    Raises:
        UserError: for less than one row, an unknown world, or a split that is trained on.
    """
    if size < 1:
        raise UserError(f"benchmark scenes: size={size} must be at least 1.")
    for name, value, choices in (("world", world, WORLDS), ("split", split, ("test", "dev"))):
        if value not in choices:
            raise UserError(
                f"benchmark scenes: {name}={value} must be one of {', '.join(choices)}."
                f"{nearest(value, choices)}"
            )
    return SceneDataset(split, seed, size=size, resolution=resolution, world=world)
