"""Keys of a command line that no cell's edits read: two equal cells would look like a finding."""

from dataclasses import asdict
from typing import Any

from editmgt.config.edit_values import config_key
from editmgt.config.schema import Config, Train
from editmgt.editing.settings import INJECTION, PARADIGM, SETTINGS
from editmgt.settings.declaration import silenced
from editmgt.settings.mistakes import show
from editmgt.stores.identity import edit_settings, load_editor
from editmgt.sweeps.compose import Composition, key_of

_LEARNT = {INJECTION: "the editor learnt without attention injection", PARADIGM: "the editor is a flow"}


def unread(composition: Composition) -> list[str]:
    """Return a line for each key that was set, on the command line, and says nothing in any of the cells; their editors load."""
    silent = [_silent(cell.config) for cell in composition.cells]
    named = dict.fromkeys(key_of(text) for cell in composition.cells for text in cell.overrides)
    return [
        f"{key} has no effect{' in any cell' if len(silent) > 1 else ''}: {silent[0][key]}."
        for key in named
        if all(key in reasons for reasons in silent)
    ]


def _silent(config: Config) -> dict[str, str]:
    """The keys that a cell's edits do not read, each with why; what hold alone reads, the map's scores may read, too."""
    learnt: dict[str, Any]
    if isinstance(config, Train):
        settings = edit_settings(config)
        learnt = {INJECTION: config.model.attention_injection, PARADIGM: config.model.paradigm}
    else:
        editor = load_editor(config, config.checkpoint)
        settings, learnt = edit_settings(config, editor), editor.learnt
    values = asdict(settings) | learnt
    return {
        config_key(name): _LEARNT.get(by) or f"{config_key(by)}={show(values[by])}"
        for name, by in silenced(values, SETTINGS).items()
        if by != "region_hold"
    }
