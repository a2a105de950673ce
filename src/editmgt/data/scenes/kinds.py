"""Drafts of what the seven plain edits are not: small or overlapping objects, surfaces, two edits at once, nothing to do.

None: this draw does not fit, draw again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

from editmgt.data.scenes.drafts import OBJECT_EDITS, WORLD, Draft, draft, extent, with_thing
from editmgt.data.scenes.draws import edit_of, other_color, random_edit, random_scene, random_thing
from editmgt.data.scenes.edits import EDIT_TYPES, Edit, apply
from editmgt.data.scenes.grammar import PHRASINGS, expression, instruction, refer
from editmgt.data.scenes.graph import COLORS, PATTERNS, PLACES, SHAPES

SMALL_SHARE = 0.04  # an object of the slice ``small`` covers less of the picture
_OVERLAP = (0.08, 0.75)  # share of the target that lies under or over another object
_RESOLUTION = 64  # areas are measured at
TEMPLATE_EDITS = ("remove", "replace", "color")


def phrased(
    rng: Random, phrasings: Mapping[str, Sequence[str]], style_phrasings: Mapping[str, Sequence[str]]
) -> Draft:
    """A plain edit in other phrasings than the grammar's own."""
    edit_type = rng.choice(EDIT_TYPES)
    scene = random_scene(rng, WORLD, edit_type)
    edit = random_edit(scene, edit_type, WORLD, rng)
    return draft(scene, edit, instruction(scene, edit, rng, phrasings, style_phrasings))


def small(rng: Random) -> Draft | None:
    """An object under 4% of the picture is added, removed, replaced, recoloured or moved."""
    edit_type = rng.choice(("add", *OBJECT_EDITS))
    scene = random_scene(rng, WORLD, edit_type)
    edit = random_edit(scene, edit_type, WORLD, rng)
    if edit_type == "add":
        assert edit.thing is not None
        edit = replace(edit, thing=replace(edit.thing, size="small"))
    else:
        scene = with_thing(scene, edit.index, size="small")
        if edit.thing is not None:
            edit = replace(edit, thing=replace(edit.thing, size="small"))
    edited = apply(scene, edit)
    changed = set(scene.things) ^ set(edited.things)
    if any(extent(thing, _RESOLUTION).mean() >= SMALL_SHARE for thing in changed):
        return None
    return draft(scene, edit, instruction(scene, edit, rng))


def overlap(rng: Random) -> Draft | None:
    """The object that is edited lies partly under or over another one."""
    edit_type = rng.choice(TEMPLATE_EDITS)
    scene = random_scene(rng, WORLD, edit_type)
    place = rng.choice(list(PLACES))
    x, y = PLACES[place]
    near = [
        name for name, (other_x, other_y) in PLACES.items() if 0 < abs(other_x - x) + abs(other_y - y) < 0.4
    ]
    neighbour = rng.choice(near)
    toward_x, toward_y = PLACES[neighbour]
    step_x, step_y = ((b > a) - (b < a) for a, b in ((x, toward_x), (y, toward_y)))
    pair = [
        replace(random_thing(rng, WORLD, place), x=x + step_x / 16, y=y + step_y / 16),
        replace(random_thing(rng, WORLD, neighbour), x=toward_x - step_x / 16, y=toward_y - step_y / 16),
    ]
    pair = [replace(thing, size=rng.choice(("medium", "large"))) for thing in pair]
    others = [thing for thing in scene.things if thing.place not in (place, neighbour)][:2]
    things = [*others, *pair]
    rng.shuffle(things)
    scene = replace(scene, things=tuple(things))
    index = things.index(rng.choice(pair))
    extents = [extent(thing, _RESOLUTION) for thing in pair]
    shared = (extents[0] & extents[1]).sum() / extents[pair.index(things[index])].sum()
    if not _OVERLAP[0] <= shared <= _OVERLAP[1]:
        return None
    edit = edit_of(scene, index, edit_type, WORLD, rng)
    return draft(scene, edit, instruction(scene, edit, rng))


def texture(rng: Random) -> Draft | None:
    """The fine pattern of an object's surface changes, or a small mark is put on a large plain object."""
    scene = random_scene(rng, WORLD, "color")
    index = rng.randrange(len(scene.things))
    if rng.random() < 0.5:
        thing = scene.things[index]
        pattern = rng.choice([name for name in PATTERNS if name != thing.pattern])
        edit = Edit("replace", index, thing=replace(thing, pattern=pattern))
        return draft(scene, edit, instruction(scene, edit, rng))
    scene = with_thing(scene, index, size="large", pattern="plain")
    thing = scene.things[index]
    mark = replace(
        random_thing(rng, WORLD, thing.place), size="small", color=other_color(thing.color, rng),
        pattern="plain", x=thing.x, y=thing.y,
    )  # fmt: skip
    if (extent(mark, _RESOLUTION) & ~extent(thing, _RESOLUTION)).any():
        return None  # it is a mark on the object, not beside it
    # by the object and not by a place: only so do the words say where exactly
    verb, new = rng.choice(("add", "put", "place", "draw")), f"a small {mark.color} {mark.shape}"
    return draft(scene, Edit("add", thing=mark), f"{verb} {new} on {refer(scene, index, rng)}")


def multi(rng: Random) -> Draft | None:
    """Two edits of different objects, or of an object and the background, in one instruction."""
    scene = random_scene(rng, WORLD, "remove")
    kinds = [rng.choice(("color", "remove", "background change", "add", "replace")) for _ in range(2)]
    if kinds[0] == kinds[1] and kinds[0] in ("background change", "add"):
        return None
    edits = [random_edit(scene, kind, WORLD, rng) for kind in kinds]
    if edits[0].index == edits[1].index >= 0:
        return None
    both = scene
    for edit in sorted(edits, key=lambda edit: (edit.edit_type == "remove", -edit.index)):
        both = apply(both, edit)  # removing an object shifts those after it: last, and from the end
    sentences = [instruction(scene, edit, rng) for edit in edits]
    return Draft(
        scene, both, "+".join(kinds), " and ".join(sentences),
        parts=tuple(apply(scene, edit) for edit in edits),
    )  # fmt: skip


def noop(rng: Random) -> Draft | None:
    """The picture is already as the instruction wants it."""
    edit_type = rng.choice(("color", "remove", "background change", "style", "motion change"))
    scene = random_scene(rng, WORLD, edit_type)
    index = rng.randrange(len(scene.things))
    thing = scene.things[index]
    if edit_type == "color":
        sentence = instruction(scene, Edit(edit_type, index, value=thing.color), rng)
    elif edit_type == "motion change":
        x, y = PLACES[thing.place]
        scene = with_thing(scene, index, x=x, y=y)
        sentence = instruction(scene, Edit(edit_type, index, value=thing.place), rng)
    elif edit_type == "background change":
        sentence = instruction(scene, Edit(edit_type, background=scene.background), rng)
    elif edit_type == "style":
        scene = replace(scene, style=rng.choice(("grayscale", "sepia")))
        sentence = instruction(scene, Edit(edit_type, value=scene.style), rng)
    else:
        absent = [
            (color, shape)
            for color in COLORS
            for shape in SHAPES
            if not any((other.color, other.shape) == (color, shape) for other in scene.things)
        ]
        color, shape = rng.choice(absent)
        named = expression(replace(thing, color=color, shape=shape), ("color", "shape"))
        sentence = rng.choice(PHRASINGS["remove"]).format(object=named)
    return Draft(scene, scene, edit_type, sentence)
