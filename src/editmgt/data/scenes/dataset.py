"""Random scenes and edits of them, each a pure function of (split, seed, index)."""

from dataclasses import replace
from random import Random

import numpy as np

from editmgt.data.sample import EditSample
from editmgt.data.scenes.edits import EDIT_TYPES, Edit, apply
from editmgt.data.scenes.grammar import caption, instruction
from editmgt.data.scenes.graph import (
    COLORS,
    PATTERNS,
    PLACES,
    SHAPES,
    SIZES,
    STYLES,
    TONES,
    Background,
    Scene,
    Thing,
)
from editmgt.data.scenes.render import render

WORLDS = ("full", "basic")
SPLITS = ("train", "dev", "test")

#: How far an object may lie from its place's centre: a step of the lattice that places and patterns share, so that
#: the miniature's codec, whose grid has the same step, meets few distinct patches.
_OFFSETS = (-1 / 16, 0.0, 1 / 16)
_MIN_VISIBLE = 0.004  # an edit that changes less of the picture than this is drawn again


class SceneDataset:
    """Edits of rendered scenes with exact truth.

    Args:
        split: ``train``, ``dev`` or ``test``; splits never share a random stream.
        seed: another seed is another, equally long dataset.
        size: number of samples.
        resolution: pixels a side.
        world: ``full``, or ``basic`` (plain surfaces and backgrounds).
        edit_types: the types drawn from, uniformly.
    """

    def __init__(
        self,
        split: str,
        seed: int = 0,
        size: int = 500,
        resolution: int = 64,
        world: str = "full",
        edit_types: tuple[str, ...] = EDIT_TYPES,
    ) -> None:
        self.split, self.seed, self.size = split, seed, size
        self.resolution, self.world, self.edit_types = resolution, world, tuple(edit_types)

    def __len__(self) -> int:
        return self.size

    def name(self, index: int) -> str:
        """The ``sample_id`` of a sample, without drawing it."""
        return f"{self.world}-{self.split}-{self.seed}-{index}"

    def __getitem__(self, index: int) -> EditSample:
        if not 0 <= index < self.size:
            raise IndexError(index)
        rng = Random(f"{self.split}/{self.seed}/{index}")
        edit_type = rng.choice(self.edit_types)
        while True:  # a few draws are rejected: hidden objects, changes too small to see
            scene = random_scene(rng, self.world, edit_type)
            edit = random_edit(scene, edit_type, self.world, rng)
            edited = apply(scene, edit)
            source, target = render(scene, self.resolution), render(edited, self.resolution)
            edit_mask = (source != target).any(axis=2)
            if edit_mask.mean() >= _MIN_VISIBLE:
                break
        name = self.name(index)
        return EditSample(
            sample_id=name,
            source_id=name,
            source=source,
            target=target,
            instruction=instruction(scene, edit, rng),
            edit_mask=np.ascontiguousarray(edit_mask),
            edit_type=edit_type,
            source_caption=caption(scene, rng),
            target_caption=caption(edited, rng),
            source_scene=scene,
            target_scene=edited,
        )


def random_scene(rng: Random, world: str, edit_type: str) -> Scene:
    """One to four objects at distinct places; an object that will be removed is not alone."""
    count = rng.randint(2 if edit_type == "remove" else 1, 4)
    places = rng.sample(list(PLACES), count)
    return Scene(random_background(rng, world), tuple(random_thing(rng, world, place) for place in places))


def random_thing(rng: Random, world: str, place: str, offsets: tuple[float, ...] = _OFFSETS) -> Thing:
    """An object near the centre of ``place``."""
    x, y = PLACES[place]
    return Thing(
        shape=rng.choice(SHAPES),
        color=rng.choice(list(COLORS)),
        size=rng.choice(list(SIZES)),
        pattern="plain" if world == "basic" or rng.random() < 0.4 else rng.choice(PATTERNS[1:]),
        place=place,
        x=x + rng.choice(offsets),
        y=y + rng.choice(offsets),
    )


def random_background(rng: Random, world: str) -> Background:
    """Plain in the basic world; plain, a gradient or patterned in the full one."""
    tone = rng.choice(list(TONES))
    kind = 0.0 if world == "basic" else rng.random()
    if kind < 0.4:
        return Background(tone)
    if kind < 0.7:
        return Background(tone, "gradient", rng.choice([name for name in TONES if name != tone]))
    return Background(tone, rng.choice(PATTERNS[1:]))


def random_edit(scene: Scene, edit_type: str, world: str, rng: Random) -> Edit:
    """An edit of ``edit_type`` whose outcome the instruction determines."""
    if edit_type == "style":
        return Edit(edit_type, value=rng.choice(STYLES))
    if edit_type == "background change":
        while (background := random_background(rng, world)) == scene.background:
            pass
        return Edit(edit_type, background=background)
    taken = {thing.place for thing in scene.things}
    free = [place for place in PLACES if place not in taken]
    if edit_type == "add":
        return Edit(edit_type, thing=random_thing(rng, world, rng.choice(free), offsets=(0.0,)))
    index = rng.randrange(len(scene.things))
    thing = scene.things[index]
    if edit_type == "remove":
        return Edit(edit_type, index)
    if edit_type == "motion change":
        return Edit(edit_type, index, value=rng.choice(free))
    color = rng.choice([name for name in COLORS if name != thing.color])
    if edit_type == "color":
        return Edit(edit_type, index, value=color)
    new = random_thing(rng, world, thing.place)
    shape = rng.choice([name for name in SHAPES if name != thing.shape])
    new = replace(new, shape=shape, color=color, size=thing.size, x=thing.x, y=thing.y)
    return Edit(edit_type, index, thing=new)
