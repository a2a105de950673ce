"""What is wrong with the settings of an edit: by themselves, together, and for the editor they are asked of."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cache
from typing import Any

from pydantic import BaseModel, create_model

from editmgt.editing.hold_rules import needs, sources
from editmgt.editing.settings import CODE_SOURCES, OF_ATTENTION, PARADIGM, SETTINGS, EditSettings
from editmgt.errors import UserError
from editmgt.settings.declaration import silencer
from editmgt.settings.mistakes import mistakes, show
from editmgt.settings.ranges import Strict


@cache
def _plain() -> type[BaseModel]:
    """The settings as plain values, each of its kind."""
    kinds: dict[str, Any] = {name: (setting.kind, ...) for name, setting in SETTINGS.items()}
    return create_model("EditSettings", __base__=Strict, **kinds)


def validate(
    settings: EditSettings,
    num_blocks: int | None = None,
    multiple: int = 1,
    paradigm: str | None = None,
    together: bool = True,
    key: Callable[[str], str] = str,
) -> None:
    """Raise one ``UserError`` that lists everything wrong with ``settings``.

    ``num_blocks`` is the transformer's number of blocks (None: not known yet); ``multiple`` is the number of pixels per cell,
    which ``resolution`` must be divisible by; ``paradigm`` is the transformer's, likewise; ``together`` is whether what does not go together counts
    (:func:`map_problems`); ``key`` says how the user calls a setting.
    """
    values, resolution = settings.to_dict(), settings.resolution
    problems = mistakes(_plain(), values, called=key)
    if together and not problems:
        problems += map_problems(values | {"region_hold": settings.holds, PARADIGM: paradigm}, key)
    problems += layer_problems(values, num_blocks, key)
    if isinstance(resolution, int) and resolution % multiple:
        near = max(1, round(resolution / multiple)) * multiple
        problems.append(
            f"{key('resolution')}={resolution} must be a multiple of the model's {multiple} pixels, such as {near}."
        )
    if problems:
        raise UserError(f"Edit settings: {' '.join(problems)}")


def layer_problems(
    values: Mapping[str, Any], num_blocks: int | None, key: Callable[[str], str] = str
) -> list[str]:
    """Return a line for each of ``layers`` and ``single_layer`` that names a block beyond ``num_blocks`` (None: not known)."""
    if num_blocks is None:
        return []
    outside = {}
    for name in ("layers", "single_layer"):
        layers = values[name] if isinstance(values[name], list) else [values[name]]
        outside[name] = [layer for layer in layers if isinstance(layer, int) and layer >= num_blocks]
    return [
        f"{key(name)}={show(values[name])}: this model has blocks 0 to {num_blocks - 1}, and no {' and no '.join(map(str, beyond))}."
        for name, beyond in outside.items()
        if beyond
    ]


def check_guidance(settings: EditSettings, key: Callable[[str], str] = str) -> None:
    """Raise a ``UserError`` where a negative prompt was asked for that nothing leads away from."""
    if not settings.guided:
        late = settings.guidance_scale > 1
        reason = (
            f"none of the {settings.steps} steps lies in its interval {list(settings.guidance_interval)}"
            if late
            else f"{key('guidance_scale')} {settings.guidance_scale:g} must be more than 1"
        )
        raise UserError(f"{key('negative_prompt')} has no effect without guidance: {reason}.")


def check_query(
    settings: EditSettings, query: str | None, connector_type: str, key: Callable[[str], str] = str
) -> None:
    """Raise a ``UserError`` where a word was asked for that the map is not made of; ``key`` says how the user calls a setting."""
    if query is not None and connector_type == "qformer":
        raise UserError(
            f"The query '{query}' has no attention of its own here: this editor's connector, qformer, mixes the words into "
            "states that are none of them. Leave it out."
        )
    if query is not None and silencer(OF_ATTENTION, asdict(settings), SETTINGS):
        raise UserError(
            f"The query '{query}' chooses among the instruction's attention, which {key('map_source')}={settings.map_source} "
            f"does not read: leave it out, or set {key('map_source')} to attention."
        )


def check_threshold(own: EditSettings, changes: Mapping[str, Any], key: Callable[[str], str] = str) -> None:
    """Raise a ``UserError`` where another map would be held by the threshold that was chosen for an editor's own.

    ``changes`` are made to the settings that the editor was finished with; ``key`` says how the user calls one.
    """
    asked = own.override(**changes)
    foreign = asked.map_source != own.map_source and "hold_threshold" not in changes
    if foreign and asked.region_hold and "hold_threshold" in needs(asked.hold_rule):
        raise UserError(
            f"{key('map_source')}={asked.map_source}: the checkpoint's {key('hold_threshold')}={own.hold_threshold:g} was "
            f"chosen for {own.map_source}, and the two maps have other scores: set {key('hold_threshold')} too."
        )


def map_problems(values: Mapping[str, Any], key: Callable[[str], str] = str) -> list[str]:
    """Return what of the map's source and the hold rule does not go together, a line each.

    ``values`` are valid alone, by the names of :class:`EditSettings`, and the paradigm's; what is None is not known yet. ``key`` says how the
    user calls one.
    """
    problems = []
    if values.get(PARADIGM) == "flow" and values["map_source"] in CODE_SOURCES:
        problems.append(
            f"{key('map_source')}={values['map_source']} reads probabilities of codes, which a flow does not predict: it must be "
            "attention (the presets balanced and fast set it)."
        )
    source, scale, rule = (values[name] for name in ("map_source", "guidance_scale", "hold_rule"))
    if source == "guidance" and scale is not None and scale <= 1:
        problems.append(
            f"{key('map_source')}=guidance compares with an unconditional pass: {key('guidance_scale')}={scale:g} "
            "must be more than 1."
        )
    interval, hold_when = values["guidance_interval"], values["hold_when"]
    every_step = hold_when == "every_step" or values["region_hold"] is False
    if source == "guidance" and every_step and interval is not None and tuple(interval) != (0, 1):
        problems.append(
            f"{key('map_source')}=guidance needs guidance in every step: {key('guidance_interval')}="
            f"{list(interval)} must be [0, 1], or {key('hold_when')}=first_pass."
        )
    if values["region_hold"] and None not in (source, rule) and source not in (able := sources(rule)):
        problems.append(
            f"{key('hold_rule')}={rule} needs {key('map_source')}={' or '.join(able)}, not {source}."
        )
    return problems
