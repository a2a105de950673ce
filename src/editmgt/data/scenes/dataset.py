"""Random scenes and edits of them, each a pure function of (split, seed, index)."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random

import numpy as np
from numpy.typing import NDArray

from editmgt.data.sample import EditPair
from editmgt.data.scenes.drafts import MIN_VISIBLE, Draft
from editmgt.data.scenes.draws import random_edit, random_scene
from editmgt.data.scenes.edits import EDIT_TYPES, apply
from editmgt.data.scenes.grammar import caption, instruction
from editmgt.data.scenes.lessons import teach
from editmgt.data.scenes.render import render

SPLITS = ("train", "dev", "test")


class SceneDataset:
    """Edits of rendered scenes with exact truth.

    Args:
        split: ``train``, ``dev`` or ``test``; splits never share a random stream.
        seed: another seed is another, equally long dataset.
        size: number of samples.
        resolution: pixels a side.
        world: ``full``, or ``basic`` (plain surfaces and backgrounds).
        edit_types: the types drawn from, uniformly.
        lessons: name of a lesson -> share of the samples that it draws (:mod:`editmgt.data.scenes.lessons`); the rest are
            plain edits. Lessons are of the full world.
        wrong_pairs: share of the samples whose instruction is another sample's, so that nothing in the pair follows it.
    """

    def __init__(
        self,
        split: str,
        seed: int = 0,
        size: int = 500,
        resolution: int = 64,
        world: str = "full",
        edit_types: tuple[str, ...] = EDIT_TYPES,
        lessons: Mapping[str, float] | None = None,
        wrong_pairs: float = 0.0,
    ) -> None:
        self.split, self.seed, self.size = split, seed, size
        self.resolution, self.world, self.edit_types = resolution, world, tuple(edit_types)
        self.lessons = {name: share for name, share in (lessons or {}).items() if share}
        self.wrong_pairs = wrong_pairs

    def __len__(self) -> int:
        return self.size

    def name(self, index: int) -> str:
        """The ``sample_id`` of a sample, without drawing it."""
        return f"{self.world}-{self.split}-{self.seed}-{index}"

    def __getitem__(self, index: int) -> EditPair:
        if not 0 <= index < self.size:
            raise IndexError(index)
        sample, chance = self._pair(index), Random(f"wrong/{self.split}/{self.seed}/{index}")
        if chance.random() >= self.wrong_pairs:
            return sample
        another = self._pair(
            index + chance.randrange(1, 2**31)
        )  # of all that could be drawn: whatever the size
        return replace(sample, instruction=another.instruction)

    def _pair(self, index: int) -> EditPair:
        """Draw a sample whose instruction is its own."""
        rng = Random(f"{self.split}/{self.seed}/{index}")
        if lesson := self._lesson(rng):
            drawn = teach(lesson, rng)
            source, target = (render(scene, self.resolution) for scene in (drawn.scene, drawn.target))
        else:
            drawn, source, target = self._plain(rng)
        name = self.name(index)
        return EditPair(
            sample_id=name,
            source_id=name,
            source=source,
            target=target,
            instruction=drawn.instruction,
            edit_mask=np.ascontiguousarray((source != target).any(axis=2)),
            edit_type=drawn.edit_type,
            source_caption=caption(drawn.scene, rng),
            target_caption=caption(drawn.target, rng),
            source_scene=drawn.scene,
            target_scene=drawn.target,
        )

    def _lesson(self, rng: Random) -> str | None:
        """Which lesson draws a sample, None for a plain edit; without lessons ``rng`` stays as it is."""
        if not self.lessons:
            return None
        shares = [*self.lessons.values(), 1 - sum(self.lessons.values())]
        return rng.choices([*self.lessons, None], shares)[0]

    def _plain(self, rng: Random) -> tuple[Draft, NDArray[np.uint8], NDArray[np.uint8]]:
        """Draw a plain edit, and its source and target [H, W, 3]."""
        edit_type = rng.choice(self.edit_types)
        while True:  # a few draws are rejected: hidden objects, changes too small to see
            scene = random_scene(rng, self.world, edit_type)
            edit = random_edit(scene, edit_type, self.world, rng)
            edited = apply(scene, edit)
            source, target = render(scene, self.resolution), render(edited, self.resolution)
            if (source != target).any(axis=2).mean() >= MIN_VISIBLE:
                return Draft(scene, edited, edit_type, instruction(scene, edit, rng)), source, target
