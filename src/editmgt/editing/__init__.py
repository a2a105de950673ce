"""Editing: sampling, localisation, region hold, and the Editor that ties them together."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from editmgt.editing.cuts import InstructionCut
    from editmgt.editing.editor import Editor, EditResult
    from editmgt.editing.loop import Step, TokenEdit
    from editmgt.editing.settings import EditSettings
    from editmgt.editing.tokens import edit_tokens

__all__ = [
    "EditResult",
    "EditSettings",
    "Editor",
    "InstructionCut",
    "Step",
    "TokenEdit",
    "edit_tokens",
]

_HOMES = {
    "cuts": ("InstructionCut",),
    "editor": ("EditResult", "Editor"),
    "settings": ("EditSettings",),
    "tokens": ("Step", "TokenEdit", "edit_tokens"),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: the models behind it take seconds to import."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"editmgt.editing.{module}"), name)
    raise AttributeError(f"module 'editmgt.editing' has no attribute '{name}'")
