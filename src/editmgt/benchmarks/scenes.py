"""The embedded benchmark: rendered scenes that no training has seen, with exact targets and masks."""

from editmgt.data.scenes import WORLDS, SceneDataset
from editmgt.errors import UserError, nearest


def scenes(
    n: int = 128, seed: int = 0, resolution: int = 64, world: str = "full", split: str = "test"
) -> SceneDataset:
    """Return the benchmark's rows: ``n`` edits, all seven types, the same ones for the same arguments.

    ``split`` is ``test``, or ``dev`` for whatever is chosen by looking at results (thresholds, layers).

    Raises:
        UserError: for less than one row, an unknown world, or a split that is trained on.
    """
    if n < 1:
        raise UserError(f"benchmark scenes: n={n} must be at least 1.")
    for name, value, choices in (("world", world, WORLDS), ("split", split, ("test", "dev"))):
        if value not in choices:
            raise UserError(
                f"benchmark scenes: {name}={value} must be one of {', '.join(choices)}."
                f"{nearest(value, choices)}"
            )
    return SceneDataset(split, seed, size=n, resolution=resolution, world=world)
