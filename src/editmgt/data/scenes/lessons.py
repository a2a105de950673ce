"""What a training can be taught beside the seven plain edits, and the part of each that is kept for tests.

A lesson draws as the test slice of its name does, less what is held out: a slice then measures, by edit type, what was
taught and what has to be inferred.
"""

from collections.abc import Callable
from random import Random

from editmgt.data.scenes import kinds
from editmgt.data.scenes.drafts import Draft, is_clear
from editmgt.data.scenes.graph import Thing
from editmgt.data.scenes.wide_phrasings import WIDE_PHRASINGS, WIDE_STYLE_PHRASINGS

#: Pairs of edits that no training sample asks for at once, in either order.
HELD_OUT_PAIRS = ({"color", "replace"}, {"remove", "background change"})


def phrasing(rng: Random) -> Draft:
    """A plain edit, in one of many phrasings."""
    return kinds.phrased(rng, WIDE_PHRASINGS, WIDE_STYLE_PHRASINGS)


#: name -> how a sample is drawn, and which of them are held out.
LESSONS: dict[str, tuple[Callable[[Random], Draft | None], Callable[[Draft], bool]]] = {
    "phrasing": (phrasing, lambda drawn: False),  # held out: all phrasings of the slice ``paraphrase``
    "noop": (kinds.noop, lambda drawn: drawn.edit_type == "background change"),
    "multi": (kinds.multi, lambda drawn: set(drawn.edit_type.split("+")) in HELD_OUT_PAIRS),
    "texture": (
        kinds.texture,
        lambda drawn: (
            drawn.edit_type == "replace" and "dotted" in {thing.pattern for thing in _new_things(drawn)}
        ),
    ),
    "overlap": (kinds.overlap, lambda drawn: drawn.edit_type == "color"),
    "small": (kinds.small, lambda drawn: drawn.edit_type == "motion change"),
}


def teach(name: str, rng: Random) -> Draft:
    """Draw a sample of a lesson."""
    draw, held_out = LESSONS[name]
    while True:
        drawn = draw(rng)
        if drawn is not None and is_clear(drawn) and not held_out(drawn):
            return drawn


def _new_things(drawn: Draft) -> set[Thing]:
    return set(drawn.target.things) - set(drawn.scene.things)
