"""Edits as in training, in phrasings that training's grammar does not have; names of objects, colours, places stay."""

from random import Random

from editmgt.data.scenes.drafts import WORLD, Draft, describe, draft
from editmgt.data.scenes.draws import random_edit, random_scene
from editmgt.data.scenes.edits import EDIT_TYPES, Edit
from editmgt.data.scenes.grammar import refer
from editmgt.data.scenes.graph import Scene

#: By edit type. Short, since the miniature reads 32 tokens and spells what it does not know.
PARAPHRASES: dict[str, tuple[str, ...]] = {
    "add": ("we need {new} {place}", "I would like to see {new} {place}", "{place}, there should be {new}"),
    "remove": ("get rid of {object}", "{object} has to go", "the picture without {object}, please"),
    "replace": (
        "instead of {object}, show {new}",
        "{object} should become {new}",
        "I want {new} where {object} is",
    ),
    "color": ("{object} should be {value}", "give {object} a {value} color", "I want {object} in {value}"),
    "background change": (
        "everything should be on {background}",
        "the background should be {background}",
        "behind it all I want {background}",
    ),
    "motion change": (
        "{object} belongs {place}",
        "{object} goes {place} now",
        "I want {object} to be {place}",
    ),
}

STYLE_PARAPHRASES: dict[str, tuple[str, ...]] = {
    "grayscale": ("no colors, only gray", "I want it without color"),
    "sepia": ("it should look like an old brown photo", "it should look old and brown"),
    "negative": ("light and dark should trade places", "show the negative of it"),
    "night": ("it should be dark like at night", "let it be night in the picture"),
}


def draw(rng: Random) -> Draft | None:
    """Return an edit; None: this draw does not fit, draw again."""
    edit_type = rng.choice(EDIT_TYPES)
    scene = random_scene(rng, WORLD, edit_type)
    edit = random_edit(scene, edit_type, WORLD, rng)
    return draft(scene, edit, paraphrase(scene, edit, rng))


def paraphrase(scene: Scene, edit: Edit, rng: Random) -> str:
    """Phrase ``edit`` of ``scene``; the object it acts on is singled out."""
    if edit.edit_type == "style":
        return rng.choice(STYLE_PARAPHRASES[edit.value])
    slots = {"value": edit.value}
    if edit.index >= 0:
        slots["object"] = refer(scene, edit.index, rng)
    if edit.thing is not None:
        size = f"a {edit.thing.size} " if edit.edit_type == "add" else "a "
        slots["new"] = describe(edit.thing).replace("a ", size, 1)
        slots["place"] = _at(edit.thing.place)
    if edit.edit_type == "motion change":
        slots["place"] = _at(edit.value)
    if edit.background is not None:
        background = edit.background
        slots["background"] = {
            "plain": background.tone,
            "gradient": f"a {background.tone} to {background.second_tone} gradient",
        }.get(background.pattern, f"{background.tone} {background.pattern}")
    return rng.choice(PARAPHRASES[edit.edit_type]).format(**slots)


def _at(place: str) -> str:
    words = {"center": "in the center", "left": "on the left", "right": "on the right"}
    return words.get(place, f"at the {place}")
