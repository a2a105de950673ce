"""Random scenes, and random edits of them whose outcome the instruction determines."""

from dataclasses import replace
from random import Random

from editmgt.data.scenes.edits import Edit
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

#: How far an object may lie from its place's centre: a step of the lattice that places and patterns share, so that
#: the miniature's codec, whose grid has the same step, meets few distinct patches.
_OFFSETS = (-1 / 16, 0.0, 1 / 16)


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
    if edit_type == "motion change":
        return Edit(edit_type, index, value=rng.choice(free))
    return edit_of(scene, index, edit_type, world, rng)


def edit_of(scene: Scene, index: int, edit_type: str, world: str, rng: Random) -> Edit:
    """Remove, recolour or replace one object."""
    if edit_type == "remove":
        return Edit(edit_type, index)
    thing = scene.things[index]
    color = other_color(thing.color, rng)
    if edit_type == "color":
        return Edit(edit_type, index, value=color)
    new = random_thing(rng, world, thing.place)
    shape = rng.choice([name for name in SHAPES if name != thing.shape])
    new = replace(new, shape=shape, color=color, size=thing.size, x=thing.x, y=thing.y)
    return Edit(edit_type, index, thing=new)


def other_color(color: str, rng: Random) -> str:
    """Return a colour that is not ``color``."""
    return rng.choice([name for name in COLORS if name != color])
