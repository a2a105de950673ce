"""The instruction names an object by words that fit two or three; each of them is a valid reading."""

from dataclasses import replace
from random import Random

from editmgt.data.scenes.drafts import WORLD, Draft, with_thing
from editmgt.data.scenes.draws import random_scene, random_thing
from editmgt.data.scenes.edits import Edit, apply
from editmgt.data.scenes.grammar import PHRASINGS, description, expression
from editmgt.data.scenes.graph import COLORS, SHAPES, Thing
from editmgt.data.scenes.kinds import TEMPLATE_EDITS


def draw(rng: Random) -> Draft | None:
    """Return an edit with all its readings; None: this draw does not fit, draw again."""
    edit_type = rng.choice(TEMPLATE_EDITS)
    scene = random_scene(rng, WORLD, "remove")
    word = rng.choice(("shape", "color"))
    shared = getattr(scene.things[0], word)
    count = rng.randint(2, min(3, len(scene.things)))
    for index in range(1, count):
        scene = with_thing(scene, index, **{word: shared})
    words = (word, "shape") if word == "color" and rng.random() < 0.3 else (word,)
    fitting = [
        index
        for index, thing in enumerate(scene.things)
        if all(getattr(thing, name) == getattr(scene.things[0], name) for name in words)
    ]
    if len(fitting) < 2:
        return None
    object_, value = expression(scene.things[0], words), ""
    new: Thing | None = None
    if edit_type == "color":
        free = [name for name in COLORS if name not in {scene.things[index].color for index in fitting}]
        value = rng.choice(free)
    elif edit_type == "replace":
        new = random_thing(rng, WORLD, "center")
        free = [name for name in SHAPES if name not in {scene.things[index].shape for index in fitting}]
        if not free:
            return None
        new = replace(new, shape=rng.choice(free))
    readings = []
    for index in fitting:
        thing = scene.things[index]
        here = new and replace(new, size=thing.size, place=thing.place, x=thing.x, y=thing.y)
        readings.append(apply(scene, Edit(edit_type, index, thing=here, value=value)))
    rng.shuffle(readings)
    sentence = rng.choice(PHRASINGS[edit_type]).format(
        object=object_, value=value, new=f"a {description(new, with_size=False)}" if new else ""
    )
    return Draft(scene, readings[0], edit_type, sentence, alternatives=tuple(readings[1:]))
