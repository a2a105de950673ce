"""A sample before it is drawn: a scene, what the instruction means there, and the sentence."""

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from editmgt.data.scenes.edits import Edit, apply
from editmgt.data.scenes.graph import Background, Scene, Thing
from editmgt.data.scenes.render import render

WORLD = "full"
MIN_VISIBLE = 0.004  # an edit that changes less of the picture than this is drawn again
_RESOLUTION = 64  # areas are measured at
_LONGEST = 18  # words: more would not fit the miniature's 32 tokens
#: Edits that act on one object.
OBJECT_EDITS = ("remove", "replace", "color", "motion change")


@dataclass(frozen=True)
class Draft:
    """One sample before it is drawn.

    Attributes:
        scene: the source.
        target: what the instruction asks for.
        edit_type: CrispEdit-2M's name.
        instruction: the sentence.
        alternatives: other scenes that the instruction may as well mean.
        parts: scenes that have one of the things that the instruction asks for.
    """

    scene: Scene
    target: Scene
    edit_type: str
    instruction: str
    alternatives: tuple[Scene, ...] = ()
    parts: tuple[Scene, ...] = ()


def extent(thing: Thing, resolution: int) -> NDArray[np.bool_]:
    """Where ``thing`` is [H, W], whatever lies over it."""
    empty = Scene(Background("white"), ())
    alone = replace(empty, things=(thing,))
    return changes(empty, alone, resolution)


def changes(scene: Scene, other: Scene, resolution: int) -> NDArray[np.bool_]:
    """Where two scenes differ [H, W]."""
    differs: NDArray[np.bool_] = (render(scene, resolution) != render(other, resolution)).any(axis=2)
    return np.ascontiguousarray(differs)


def with_thing(scene: Scene, index: int, **fields: Any) -> Scene:
    """Return the scene with fields of one object changed."""
    things = list(scene.things)
    things[index] = replace(things[index], **fields)
    return replace(scene, things=tuple(things))


def draft(scene: Scene, edit: Edit, instruction: str) -> Draft:
    """Return the plain case: one edit, one reading."""
    return Draft(scene, apply(scene, edit), edit.edit_type, instruction)


def is_clear(draft: Draft) -> bool:
    """Whether everything that is asked for can be seen, and read by the miniature."""
    if len(draft.instruction.split()) > _LONGEST:
        return False
    if draft.scene == draft.target:  # nothing is to be seen
        return True
    scenes = [draft.scene, draft.target, *draft.alternatives, *draft.parts]
    return all(changes(a, b, _RESOLUTION).mean() >= MIN_VISIBLE for a, b in combinations(scenes, 2))
