"""Sentences: captions of scenes, expressions that single an object out, instructions for edits."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from random import Random

from editmgt.data.scenes.edits import Edit
from editmgt.data.scenes.graph import Background, Scene, Thing

_REFERRING_WORDS = ("size", "color", "pattern", "shape", "place")

#: Phrasings by edit type; {object} is a referring expression, {new} a description.
PHRASINGS: dict[str, tuple[str, ...]] = {
    "add": ("add {new} {place}", "put {new} {place}", "place {new} {place}", "draw {new} {place}"),
    "remove": ("remove {object}", "delete {object}", "erase {object}", "take away {object}"),
    "replace": (
        "replace {object} with {new}",
        "swap {object} for {new}",
        "turn {object} into {new}",
        "change {object} to {new}",
    ),
    "color": (
        "make {object} {value}",
        "color {object} {value}",
        "paint {object} {value}",
        "change the color of {object} to {value}",
    ),
    "background change": (
        "change the background to {background}",
        "make the background {background}",
        "use {background} as the background",
    ),
    "motion change": ("move {object} {to}", "shift {object} {to}", "bring {object} {to}"),
}

STYLE_PHRASINGS: dict[str, tuple[str, ...]] = {
    "grayscale": ("make it black and white", "turn the picture into grayscale", "remove all colors"),
    "sepia": ("make it sepia", "give it an old photo look", "turn the picture into a sepia photo"),
    "negative": ("invert the colors", "turn the picture into a negative", "make it a negative"),
    "night": ("make it night", "turn day into night", "give it a night look"),
}


def caption(scene: Scene, rng: Random) -> str:
    """Describe the scene, background first, objects in random order."""
    things = list(scene.things)
    rng.shuffle(things)
    parts = [f"{_background(scene.background)} background"]
    parts += [f"{description(thing)} {thing.place}" for thing in things]
    return ", ".join(parts) + (f", {scene.style}" if scene.style else "")


def instruction(
    scene: Scene,
    edit: Edit,
    rng: Random,
    phrasings: Mapping[str, Sequence[str]] = PHRASINGS,
    style_phrasings: Mapping[str, Sequence[str]] = STYLE_PHRASINGS,
) -> str:
    """Phrase ``edit`` of ``scene``; the object it acts on is singled out."""
    if edit.edit_type == "style":
        return rng.choice(style_phrasings[edit.value])
    slots = {"value": edit.value}
    if edit.index >= 0:
        slots["object"] = refer(scene, edit.index, rng)
    if edit.thing is not None:
        with_size = edit.edit_type == "add"  # a replacement keeps the size
        slots["new"] = f"a {description(edit.thing, with_size)}"
        slots["place"] = _at(edit.thing.place)
    if edit.background is not None:
        name = slots["background"] = _background(edit.background)
        slots["a_background"] = f"a {name}" if edit.background.pattern == "gradient" else name
    if edit.edit_type == "motion change":
        slots["to"], slots["place"] = f"to the {edit.value}", _at(edit.value)
    return rng.choice(phrasings[edit.edit_type]).format(**slots)


def refer(scene: Scene, index: int, rng: Random) -> str:
    """An expression that fits object ``index`` and no other: often the shortest, sometimes a longer one."""
    thing = scene.things[index]
    unique: list[tuple[str, ...]] = []
    for length in range(1, len(_REFERRING_WORDS) + 1):
        for words in combinations(_REFERRING_WORDS, length):
            if sum(_fits(thing, other, words) for other in scene.things) == 1:
                unique.append(words)
    shortest = [words for words in unique if len(words) == len(unique[0])]
    words = rng.choice(shortest if rng.random() < 0.5 else unique)
    return expression(thing, words)


def expression(thing: Thing, words: tuple[str, ...]) -> str:
    """``the small striped circle on the left``, naming only the attributes in ``words``."""
    named = [getattr(thing, word) for word in ("size", "color", "pattern") if word in words]
    noun = thing.shape if "shape" in words else "object"
    place = f" {_at(thing.place)}" if "place" in words else ""
    return " ".join(["the", *named, noun]) + place


def description(thing: Thing, with_size: bool = True) -> str:
    """``small red striped circle``."""
    words = [thing.size] if with_size else []
    words.append(thing.color)
    if thing.pattern != "plain":
        words.append(thing.pattern)
    return " ".join([*words, thing.shape])


def _fits(thing: Thing, other: Thing, words: tuple[str, ...]) -> bool:
    return all(getattr(thing, word) == getattr(other, word) for word in words)


def _at(place: str) -> str:
    if place == "center":
        return "in the center"
    return f"on the {place}" if place in ("left", "right") else f"at the {place}"


def _background(background: Background) -> str:
    if background.pattern == "gradient":
        return f"{background.tone} to {background.second_tone} gradient"
    return background.tone if background.pattern == "plain" else f"{background.tone} {background.pattern}"
