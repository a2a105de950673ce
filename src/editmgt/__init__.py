"""Masked-generative image editing: train it, switch its parts off, read what each one does."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from editmgt.editing import Editor

__all__ = ["Editor"]


def __getattr__(name: str) -> Any:
    """Import the Editor, and the libraries behind it, only when it is asked for."""
    if name == "Editor":
        from editmgt.editing import Editor

        return Editor
    raise AttributeError(f"module 'editmgt' has no attribute '{name}'")
