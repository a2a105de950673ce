"""The embedded benchmark: rendered scenes that no training has seen, with exact targets and masks."""

from typing import Literal

from editmgt.data.scenes import SceneDataset
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
    """
    return SceneDataset(split, seed, size=size, resolution=resolution, world=world)
