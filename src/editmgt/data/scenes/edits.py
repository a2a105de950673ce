"""What an edit does to a scene graph."""

from dataclasses import dataclass, replace

from editmgt.data.scenes.graph import PLACES, Background, Scene, Thing

#: CrispEdit-2M's names.
EDIT_TYPES = ("add", "remove", "replace", "color", "background change", "style", "motion change")


@dataclass(frozen=True)
class Edit:
    """One edit; which fields matter depends on ``edit_type``.

    ``index`` is the object acted on; ``thing`` the new object (add, replace); ``value`` a colour, a style or a
    place; ``background`` the new background.
    """

    edit_type: str
    index: int = -1
    thing: Thing | None = None
    value: str = ""
    background: Background | None = None


def apply(scene: Scene, edit: Edit) -> Scene:
    """The scene after ``edit``. Painting order is kept; an added object is painted last."""
    things = list(scene.things)
    match edit.edit_type:
        case "add":
            assert edit.thing is not None
            things.append(edit.thing)
        case "remove":
            del things[edit.index]
        case "replace":
            assert edit.thing is not None
            things[edit.index] = edit.thing
        case "color":
            things[edit.index] = replace(things[edit.index], color=edit.value)
        case "motion change":
            x, y = PLACES[edit.value]
            things[edit.index] = replace(things[edit.index], place=edit.value, x=x, y=y)
        case "background change":
            assert edit.background is not None
            return replace(scene, background=edit.background)
        case "style":
            return replace(scene, style=edit.value)
        case _:
            raise ValueError(f"unknown edit type {edit.edit_type!r}")
    return replace(scene, things=tuple(things))
