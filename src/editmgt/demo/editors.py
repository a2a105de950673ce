"""The editors that a page asks for, each loaded once."""

import argparse

from editmgt.editing.edit_command import load_own, set_up
from editmgt.editing.editor import Editor


class Editors:
    """Loads an editor when it is first asked for, and keeps it."""

    def __init__(self) -> None:
        self._loaded: dict[tuple[str, ...], Editor] = {}

    def own(self, options: argparse.Namespace) -> Editor:
        """Return the editor that options of loading name, with the settings that it was finished with."""
        names = ("checkpoint", "adapter", "device", "dtype", "text_encoder")
        key = tuple(str(getattr(options, name)) for name in names)
        if key not in self._loaded:
            self._loaded[key] = load_own(options)
        return self._loaded[key]

    def of(self, options: argparse.Namespace) -> Editor:
        """Return the editor with the settings that a whole command line gives it."""
        return set_up(self.own(options), options)
