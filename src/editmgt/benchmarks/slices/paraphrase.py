"""Edits as in training, in phrasings that training's grammar does not have; names of objects, colours, places stay."""

from random import Random

from editmgt.data.scenes.drafts import Draft
from editmgt.data.scenes.kinds import phrased

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
        "everything should be on {a_background}",
        "the background should be {a_background}",
        "behind it all I want {a_background}",
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


def draw(rng: Random) -> Draft:
    """Return a plain edit in one of these phrasings."""
    return phrased(rng, PARAPHRASES, STYLE_PARAPHRASES)
