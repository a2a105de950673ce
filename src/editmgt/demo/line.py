"""From what is chosen in the page to the command line of ``edit.py`` that does it."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from editmgt.config.presets import presets
from editmgt.editing.edit_options import flag
from editmgt.editing.hold_rules import needs
from editmgt.editing.settings import OPTIONS, SETTINGS
from editmgt.settings.declaration import silenced


def edit_arguments(
    values: Mapping[str, Any],
    own: Mapping[str, Any],
    *,
    picture: str,
    output: str,
    mask: str | None = None,
    box: str | None = None,
    loading: Sequence[str] = (),
) -> list[str]:
    """Return the arguments of ``edit.py``.

    Args:
        values: ``instruction``, ``seed``, ``query``, ``composite``, ``speed``, and any of ``OPTIONS``; what is empty or
            left out is the preset's of that speed, else the checkpoint's own.
        own: what is known of the checkpoint: the settings that it was finished with, and whether it learnt with attention
            injection. A flag that says what they, or the preset, say is left out, as is one that they, or another, make
            say nothing.
        picture, output, mask: names of files.
        box: as ``--box`` takes it.
        loading: arguments that say which editor is loaded.
    """
    untold, asked = {**own, **preset(values)}, given(values)
    idle = silenced({**untold, **asked}, SETTINGS)
    told = {name: value for name, value in asked.items() if value != untold.get(name) and name not in idle}
    # =, and -- before the rest: no text and no name of a file is taken for an option
    line = [f"--output={output}", *loading]
    if values.get("speed"):
        line.append(f"--speed={values['speed']}")
    for name, value in told.items():
        line.append(flag(name, value) if isinstance(value, bool) else f"{flag(name)}={value}")
    if mask is not None:
        line.append(f"--mask={mask}")
    if box is not None:
        line.append(f"--box={box}")
    if values.get("query"):
        line.append(f"--query={values['query']}")
    if values.get("composite"):
        line.append("--composite")
    return [*line, f"--seed={values.get('seed') or 0}", "--", picture, values["instruction"]]


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings among ``values`` that are not empty."""
    return {name: values[name] for name in OPTIONS if values.get(name) not in (None, "")}


def preset(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the speed that was chosen."""
    return presets("speed")[values["speed"]] if values.get("speed") else {}


def effective(values: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an edit: the checkpoint's own, changed by a preset, and that by values that differ from them.

    The page fills its fields with the checkpoint's own settings, so that a field which says the same was not chosen.
    """
    chosen = {name: value for name, value in given(values).items() if value != own.get(name)}
    return {**own, **preset(values), **chosen}


def telling(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those settings of an edit that say something, which are all that sets it apart from another."""
    idle = silenced(settings, SETTINGS)
    return {name: settings[name] for name in SETTINGS if name not in idle}


def shell(arguments: Sequence[str]) -> str:
    """Return the line that a terminal takes."""
    return shlex.join(["python", "edit.py", *arguments])


def hold_words(settings: Mapping[str, Any]) -> str:
    """Say in a few words how settings hold: the title of an edit beside another."""
    if not settings["region_hold"]:
        return "without region hold"
    rule = settings["hold_rule"]
    numbers = [f"{settings[name]:g}" for name in needs(rule) if name in settings]
    source = settings["map_source"]
    if source == "attention" and not settings["consolidation"]:
        source = "attention of one layer"
    return f"with region hold: {' '.join([rule, *numbers])} of {source}, {settings['hold_when'].replace('_', ' ')}"
