"""What the editor's process does for the page: look at a picture, edit one, and draw what is seen of an edit."""

import argparse
import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from editmgt.demo.messages import Edited, Line, Looked
from editmgt.editing.edit_file import Written, check_settings, edit, load_own, set_up
from editmgt.editing.edit_options import read_line
from editmgt.editing.editor import Editor
from editmgt.editing.images import to_image, upright_rgb, working_size
from editmgt.editing.original import Original
from editmgt.editing.picture import fit, heat, tint
from editmgt.editing.picture_files import png, read_image
from editmgt.editing.size_note import size_note

SIDE = 512  # of a picture in the page, in pixels
UNKNOWN = (128, 128, 136)
FRAMES = 16  # steps that are shown at most: each is decoded


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


def look(editors: Editors, line: Line, progress: Callable[[int, int], None]) -> Looked:
    """Read the picture that a line names; a ``UserError`` where it cannot be edited."""
    options = read_line(line.arguments)
    editor = editors.own(options)
    with contextlib.chdir(line.folder):
        picture = Original.of(read_image(options.image, options.max_pixels)).rgb
    note = size_note(editor, [picture.size], options.checkpoint, False, "Composite, in the settings,")
    # refuses one that is too narrow, as the edit would
    working_size(picture.size, editor.settings.resolution, editor.pixels_per_cell)
    folder = line.folder / f"{options.image.stem}_views"  # a picture may be called view.png
    folder.mkdir()
    return Looked(picture.size, _save(fit(picture, SIDE), folder / "view.png"), note)


def check(editors: Editors, line: Line, progress: Callable[[int, int], None]) -> None:
    """Raise a ``UserError`` for a line whose settings are wrong, or not for its editor, before any is edited."""
    options = read_line(line.arguments)
    check_settings(options)
    editors.of(options)


def make(editors: Editors, line: Line, progress: Callable[[int, int], None]) -> Edited:
    """Do what a line says, and draw what happened."""
    notes: list[str] = []
    with contextlib.chdir(line.folder):
        options = read_line(line.arguments)
        written = edit(options, editors.of, progress, notes.append, trace=True)
    source = fit(written.original.rgb, SIDE)
    after = fit(upright_rgb(written.result.images[0]), SIDE)
    views = {
        "before": source,
        "after": after,
        "where": heat(source, written.result.localization[0]),
        "held": tint(after, written.result.held[0]),
    }
    folder = line.folder / f"{options.output.stem}_views"
    folder.mkdir()
    return Edited(
        edit=line.folder / options.output,
        **{name: _save(view, folder / f"{name}.png") for name, view in views.items()},
        steps={
            step: _save(frame, folder / f"step_{step}.png")
            for step, frame in _frames(editors.own(options), written, after.size).items()
        },
        lines=[*written.lines, *notes],
    )


def _frames(editor: Editor, written: Written, size: tuple[int, int]) -> dict[int, Image.Image]:
    """Return the tokens after each step, or after steps evenly spread: grey what is not known, coloured what is held."""
    trace, tokens = written.result.trace, written.result.tokens[0]
    frames = {}
    for step in np.unique(np.linspace(1, len(trace), min(FRAMES, len(trace))).round().astype(int)).tolist():
        state = trace[step - 1]
        unknown = state.tokens[0] == editor.transformer.mask_token_id
        # the decoder has no word for unknown: what comes there in the end stands in, and is covered
        known = torch.where(unknown, tokens, state.tokens[0])
        pixels = editor.codec.decode(known[None].to(editor.device))[0]
        decoded = to_image(pixels).resize(size, Image.Resampling.NEAREST)
        frames[step] = tint(tint(decoded, state.held[0]), unknown, UNKNOWN, 1.0)
    return frames


def _save(picture: Image.Image, path: Path) -> Path:
    path.write_bytes(png(picture))
    return path
