"""Slices, a file each: the edits that the paper's reviewers asked about, rendered with exact truth.

A module of this package is a slice. Its function ``draw`` returns one edit out of a random generator, or None where the
draw does not fit and the next one is wanted.
"""

from importlib import import_module
from random import Random
from typing import Literal

import numpy as np

from editmgt.benchmarks.protocols import SLICES
from editmgt.data.sample import EditSample, Reading
from editmgt.data.scenes.drafts import changes, is_clear
from editmgt.data.scenes.grammar import caption
from editmgt.data.scenes.graph import Scene
from editmgt.data.scenes.render import render
from editmgt.settings import ranges


def rows(
    name: str,
    size: ranges.Samples,
    seed: ranges.Seed,
    resolution: ranges.Resolution,
    split: Literal["test", "dev"],
) -> "SliceDataset":
    """Return the samples of the benchmark ``scenes_SLICE``."""
    return SliceDataset(name.removeprefix("scenes_"), split, seed, size, resolution)


class SliceDataset:
    """Edits of one of ``SLICES``, with exact truth; another ``seed`` is another, equally long data set.

    ``split`` is ``test``, or ``dev`` for whatever is chosen by looking at results.
    """

    def __init__(
        self, name: str, split: str = "test", seed: int = 0, size: int = 500, resolution: int = 64
    ) -> None:
        self.name, self.split, self.seed, self.size, self.resolution = name, split, seed, size, resolution

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> EditSample:
        if not 0 <= index < self.size:
            raise IndexError(index)
        draw = import_module(f"{__name__}.{self.name}").draw
        rng = Random(f"slice {self.name}/{self.split}/{self.seed}/{index}")
        while True:
            draft = draw(rng)
            if draft is not None and is_clear(draft):
                break
        name = f"{self.name}-{self.split}-{self.seed}-{index}"
        target = self._reading(draft.scene, draft.target)
        return EditSample(
            sample_id=name,
            source_id=name,
            source=render(draft.scene, self.resolution),
            instruction=draft.instruction,
            edit_type=draft.edit_type,
            target=target.target,
            edit_mask=target.edit_mask,
            source_caption=caption(draft.scene, rng),
            target_caption=caption(draft.target, rng),
            slice=self.name,
            alternatives=tuple(self._reading(draft.scene, other) for other in draft.alternatives),
            parts=tuple(changes(draft.scene, part, self.resolution) for part in draft.parts),
        )

    def _reading(self, scene: Scene, target: Scene) -> Reading:
        mask = changes(scene, target, self.resolution)
        return Reading(render(target, self.resolution), np.ascontiguousarray(mask))


__all__ = ["SLICES", "SliceDataset", "rows"]
