"""What the page does: from its values to command lines, to the editor's process, and to what is shown."""

import argparse
import itertools
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops

from editmgt.config.presets import presets
from editmgt.demo.drawing import drawn_mask
from editmgt.demo.editor_process import Worker
from editmgt.demo.line import edit_arguments, effective, hold_words, shell, telling
from editmgt.demo.messages import Edited, Line, Looked
from editmgt.editing.box import box_mask, read_box, write_box
from editmgt.editing.picture_files import png
from editmgt.editing.settings import INJECTION, SETTINGS
from editmgt.errors import UserError
from editmgt.settings.declaration import silencer

SHIPPED, AT_INPUT = "tiny_editor", "tiny_editor_input"
NOTHING = "nothing"
SWITCHES = {"region hold switched": "region_hold", "consolidation switched": "consolidation"}
SPEEDS = {f"speed {name}": name for name in presets("speed")}
WITHOUT_INJECTION = "no attention injection (tiny_editor_input)"


@dataclass(frozen=True)
class Picture:
    """A picture that was taken in: its file, and its size (width, height)."""

    path: Path
    size: tuple[int, int]


@dataclass(frozen=True)
class Shown:
    """An edit as it is shown: what sets it apart, the command that makes it, the files it reads, what came of it."""

    title: str
    command: str
    files: list[Path]
    made: Edited


class Session:
    """Edits for the page; what is wrong is a ``UserError``.

    Args:
        options: which editor is loaded.
        worker: the editor's process.
        folder: where the files of edits lie.
        presets: ways to hold that have a name.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        worker: Worker,
        folder: Path,
        presets: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self._options, self._worker, self._folder, self._presets = options, worker, folder, presets
        self._numbers = itertools.count(1)

    @property
    def beside(self) -> list[str]:
        """What may stand beside an edit: one thing changed, or another way to hold."""
        # an adapter is of one editor's weights: the other would stand there without it
        plain = self._options.checkpoint == SHIPPED and self._options.adapter is None
        injection = [WITHOUT_INJECTION] if plain else []
        return [NOTHING, *SWITCHES, *injection, *SPEEDS, *self._presets]

    def own(self) -> dict[str, Any]:
        """Return the settings that the checkpoint was finished with, as soon as it is loaded."""
        return self._worker.own()

    def take(self, upload: str) -> tuple[Picture, Looked]:
        """Read an uploaded picture."""
        path = self._new_folder(Path(upload)) / Path(upload).name
        loading = self._loading(self._options.checkpoint)
        arguments = edit_arguments(
            {"instruction": "look"}, self.own(), picture=path.name, output="look.png", loading=loading
        )
        looked: Looked = self._worker.do("look", Line(arguments, path.parent))
        return Picture(path, looked.size), looked

    def edit(
        self,
        picture: Picture,
        values: Mapping[str, Any],
        beside: str = NOTHING,
        *,
        layers: Sequence[Image.Image] = (),
        box: str = "",
        mask_file: str | None = None,
        progress: Callable[[str, int, int], None] = lambda title, done, total: None,
    ) -> Iterator[Shown]:
        """Edit a picture, and once more as ``beside`` says, of the same seed.

        Args:
            picture: as :meth:`take` returned it.
            values: as :func:`edit_arguments` takes them.
            beside: one of :attr:`beside`.
            layers: what was drawn where it may change.
            box: the same in numbers, see :func:`read_box`; "" for none.
            mask_file: the same as a file.
            progress: called with what is edited, steps done, and steps in all.
        """
        drawn, numbers = drawn_mask(picture.size, layers), read_box(box) if box.strip() else None
        if mask_file is not None and not (drawn is None and numbers is None):
            raise UserError("Give one mask: a file, or a drawing or box. Take the other away.")
        if drawn is not None and numbers is not None:
            drawn, numbers = ImageChops.lighter(drawn, box_mask(picture.size, numbers)), None
        folder = self._new_folder(picture.path)
        files = [folder / picture.path.name]
        if drawn is not None:
            files.append(folder / f"{picture.path.stem}_mask.png")
            files[1].write_bytes(png(drawn))
        elif mask_file is not None:  # which may have the picture's own name
            files.append(folder / f"{picture.path.stem}_mask{Path(mask_file).suffix}")
            shutil.copy(mask_file, files[1])
        edits: list[tuple[str, list[str]]] = []
        for chosen, checkpoint, known in self._variants(values, beside):
            title = hold_words(chosen)
            if chosen.get("speed"):
                title = f"{chosen['speed']}, {title}"
            if checkpoint != self._options.checkpoint:
                title += f", {checkpoint}"
            arguments = edit_arguments(
                chosen,
                known,
                picture=picture.path.name,
                output=f"{picture.path.stem}_{'beside' if edits else 'edit'}.png",
                mask=files[1].name if files[1:] else None,
                box=write_box(numbers) if numbers is not None else None,
                loading=self._loading(checkpoint),
            )
            self._worker.do("check", Line(arguments, folder))
            edits.append((title, arguments))
        for title, arguments in edits:
            made = self._worker.do("make", Line(arguments, folder), partial(progress, title))
            yield Shown(title, shell(arguments), files, made)

    def _variants(
        self, values: Mapping[str, Any], beside: str
    ) -> list[tuple[dict[str, Any], str, dict[str, Any]]]:
        """Return the edit and the one beside it: its settings, its checkpoint, and what of both need not be said."""
        own, checkpoint = self.own(), self._options.checkpoint
        settled = {**values, **effective(values, own)}
        asked = (settled, checkpoint, own)
        if beside == NOTHING:
            return [asked]
        if beside == WITHOUT_INJECTION:
            # whatever the other was finished with: of both the settings are the same, but those it has no use for
            return [asked, (settled, AT_INPUT, {INJECTION: False})]
        other = self._changed(values, settled, beside)
        if telling(other) == telling(settled):
            raise UserError(_changes_nothing(beside, settled))
        # a way to hold is said whole: its threshold is of its map, also where the checkpoint has the same for another
        said = self._presets.get(beside, {})
        return [asked, (other, checkpoint, {name: own[name] for name in own if name not in said})]

    def _changed(self, values: Mapping[str, Any], settled: Mapping[str, Any], beside: str) -> dict[str, Any]:
        """Return the settings of an edit beside one that was asked for by ``values`` and has those that are ``settled``."""
        if name := SWITCHES.get(beside):
            return {**settled, name: not settled[name]}
        if name := SPEEDS.get(beside):
            other = {**values, "speed": name}
            return other | effective(other, self.own())
        return {**settled, **self._presets[beside]}

    def _loading(self, checkpoint: str) -> list[str]:
        """The arguments that load a checkpoint as the page's editor is loaded, but for the defaults."""
        options = self._options
        asked = {
            "--checkpoint": (checkpoint, SHIPPED),
            "--adapter": (options.adapter, None),
            "--device": (options.device, "auto"),
            "--dtype": (options.dtype, "float32"),
            "--text-encoder": (options.text_encoder, "offload"),
        }
        return [f"{flag}={value}" for flag, (value, usual) in asked.items() if value != usual]

    def _new_folder(self, picture: Path) -> Path:
        """Return a new folder with a copy of a picture."""
        folder = self._folder / str(next(self._numbers))
        folder.mkdir(parents=True)
        shutil.copy(picture, folder)
        return folder


def _changes_nothing(beside: str, settled: Mapping[str, Any]) -> str:
    """Say why an edit beside one of these settings would be the same."""
    name = SWITCHES.get(beside)
    if name and (by := silencer(SETTINGS[name].under, settled, SETTINGS)):
        return (
            f"{name} has no effect with {by.replace('_', ' ')} {settled[by]}: choose another in the settings, or "
            "something else beside it."
        )
    return f"{beside} changes nothing of this edit: choose something else beside it."
