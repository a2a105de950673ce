"""Editing a picture as a command line of ``edit.py`` asks: check everything, load the editor, edit, write."""

import argparse
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from copy import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from editmgt.config.presets import presets
from editmgt.devices import find_device
from editmgt.editing.box import box_mask
from editmgt.editing.composite import edited_region, largest_change
from editmgt.editing.cuts import told_once
from editmgt.editing.edit_options import flag
from editmgt.editing.images import upright_rgb, working_size
from editmgt.editing.masks import codes_that_may_change, may_change, read_mask
from editmgt.editing.original import Original
from editmgt.editing.output import (
    check_composite,
    check_size,
    explained,
    fitted,
    names,
    output_format,
    refuse_inputs,
    write,
)
from editmgt.editing.picture import explain_row
from editmgt.editing.picture_files import file_notes, has_deep_colours, read_image
from editmgt.editing.samples import check_seeds, check_text
from editmgt.editing.settings import INJECTION, OF_ATTENTION, OPTIONS, PARADIGM, SETTINGS, EditSettings
from editmgt.editing.settings_problems import (
    check_guidance,
    check_query,
    check_threshold,
    map_problems,
    validate,
)
from editmgt.editing.size_note import size_note
from editmgt.errors import UserError, gathered, nearest, tell
from editmgt.progress import progress_bar
from editmgt.settings.declaration import silenced, silencer
from editmgt.weights import find, on_hub

if TYPE_CHECKING:
    from editmgt.editing.editor import Editor, EditResult

# what a checkpoint learnt that makes settings say nothing
_LEARNT = {
    INJECTION: "this checkpoint, which learnt without attention injection: leave it out",
    PARADIGM: "this checkpoint, which is a flow: leave it out",
}


def to_stderr(line: str) -> None:
    """Say what is no result."""
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Written:
    """Edits of one picture that were made and written.

    Attributes:
        original: the picture.
        result: what the editor returned.
        lines: what was done, a line for each file.
    """

    original: Original
    result: "EditResult"
    lines: list[str]


def edit(
    options: argparse.Namespace,
    editor_of: "Callable[[argparse.Namespace], Editor] | None" = None,
    progress: Callable[[int, int], None] | None = None,
    tell_user: Callable[[str], None] = to_stderr,
    trace: bool = False,
) -> Written:
    """Check everything, load the editor, edit, write.

    Args:
        options: as :func:`read_line` returns them.
        editor_of: returns the editor that they ask for; None: :func:`load`.
        progress: called with (steps done, steps in all); None: a bar on the terminal.
        tell_user: called with each line that is no result.
        trace: keep every step in the result.
    """
    problems: list[str] = []
    picture_format, original, mask, seeds = "", None, None, [0]
    with gathered(problems):
        picture_format = output_format(options.output, lossless=options.composite)
    with gathered(problems):
        check_instructions(options.instruction)
    with gathered(problems):
        seeds = check_seeds(options.seed, "--seed")
    outputs = names(options.output, len(options.instruction), seeds)
    if not options.overwrite:
        with gathered(problems):
            written = [*outputs, *(explained(output) for output in outputs if options.explain)]
            refuse_inputs(written, [options.image, *([options.mask] if options.mask else [])])
    with gathered(problems):
        original = Original.of(read_image(options.image, options.max_pixels))
        if picture_format:
            check_size(options.output, original.rgb.size, picture_format)
            if options.composite:
                check_composite(options.output, original, picture_format, has_deep_colours(options.image))
    if options.mask is not None:
        with gathered(problems):
            if options.mask.is_dir():
                raise UserError(f"--mask {options.mask} is a directory: for one picture name its mask.")
            mask = read_image(options.mask, options.max_pixels)
            mask = read_mask(mask, size=None if original is None else original.rgb.size)
    with gathered(problems):
        check_settings(options)
    tell(problems)
    assert original is not None
    if options.box is not None:
        mask = box_mask(original.rgb.size, options.box)
    editor, source = (editor_of or load)(options), original.rgb
    if note := size_note(editor, [source.size], options.checkpoint, options.composite):
        tell_user(note)
    bar = progress_bar("editing, step", to_stderr) if progress is None else nullcontext(progress)
    with plain_warnings(tell_user), bar as on_step:
        result = edit_one(editor, original.base, options, mask, on_step, trace)
    width, height = working_size(source.size, editor.settings.resolution, editor.pixels_per_cell)
    lines, told = [], dict.fromkeys(file_notes(options.image))
    for i, output in enumerate(outputs):
        notes = write_edit(output, original, result.images[i], picture_format, options.composite)
        told |= dict.fromkeys(notes)
        written_to = str(output)
        held_HW = result.held[i]
        said = f"{result.seconds:.1f} s, {held_HW.float().mean():.0%} of the tokens held"
        if mask is not None:
            by_mask_HW = ~codes_that_may_change(may_change(mask), (held_HW.shape[0], held_HW.shape[1]))
            held_HW = held_HW | by_mask_HW
            said = (
                f"{result.seconds:.1f} s, {held_HW.float().mean():.0%} of the tokens held, "
                f"{by_mask_HW.float().mean():.0%} by the mask"
            )
        if options.explain:
            explanation = explain_row(
                source,
                options.instruction[i // len(seeds)],
                upright_rgb(result.images[i]),
                result.localization[i],
                held_HW,
            )
            write(explained(output), explanation, "PNG")
            written_to += f" and {explained(output)}"
        if options.composite:
            # where the mask is black nothing may show; a feathered one shows something in all of its greys
            shown = None if mask is None else may_change(mask, 1) if options.feather else may_change(mask)
            region = edited_region(result.changed[i], source.size, shown)
            change = largest_change(original.base, result.images[i], region)
            said += f"; largest change outside the edited region: {change}"
        lines.append(
            f"Wrote {written_to} ({source.width}x{source.height} pixels, edited at {width}x{height}; {said})."
        )
    for note in told:
        tell_user(f"Note on {options.image}: {note}")
    return Written(original, result, lines)


def write_edit(
    path: Path,
    original: Original,
    edited: Image.Image,
    picture_format: str,
    composite: bool,
) -> list[str]:
    """Write an edit in its picture's own mode and profile, or what the format holds of them; returns lines on the rest."""
    own = edited if composite else original.take(edited)
    picture, notes = fitted(own, edited, picture_format)
    write(path, picture, picture_format)
    return [f"it has {original.converted}: written as sRGB.", *notes] if original.converted else notes


def check_instructions(instructions: Sequence[str]) -> None:
    """Raise a ``UserError`` for an instruction that says nothing, or nothing readable."""
    for instruction in instructions:
        check_text(instruction, "instruction")
        if not instruction.strip():
            raise UserError('The instruction is empty: say what to change, as in "make the hat red".')
        if re.fullmatch(r"[\w.]+=\S+", instruction):
            key, _, value = instruction.partition("=")
            raise UserError(f"{instruction} is no instruction: write {flag(key)} {value}.")
    if len(instructions) > 2 and not any(" " in instruction.strip() for instruction in instructions):
        raise UserError(
            f"{len(instructions)} instructions of one word each: put the sentence into plain quotes, "
            f'"{" ".join(instructions).strip("“”„«»")}".'
        )


def check_settings(options: argparse.Namespace) -> None:
    """Raise a ``UserError`` for all of settings, device and weights that can be known without loading them."""
    problems: list[str] = []
    if options.feather and not (options.composite and options.mask is not None):
        problems.append(
            "--feather blends a composite by its mask: it needs --composite and --mask (a box has no greys)."
        )
    preset: dict[str, Any] = {}
    with gathered(problems):
        preset = _preset(options)
    given = preset | _given(options)
    problems += _idle_flags(options, given, given)
    if options.query is not None and (by := silencer(OF_ATTENTION, given, SETTINGS)):
        problems.append(f"--query has no effect with {_said(options, by, given)}: leave one of them out.")
    asked = EditSettings().override(**given)
    if options.negative_prompt is not None and options.guidance_scale is not None:
        with gathered(problems):
            check_guidance(asked, _flag)
    with gathered(problems):
        validate(asked, together=False, key=_flag)
        # what is not given is the checkpoint's, and not known yet
        values = dict.fromkeys(SETTINGS) | given | {"region_hold": options.region_hold is not False}
        problems += map_problems(values, _flag)
    with gathered(problems):
        find_device("--device", options.device)
    with gathered(problems):
        if not on_hub(options.checkpoint):
            find(options.checkpoint)
    if options.adapter is not None and not options.adapter.is_dir():
        problems.append(f"--adapter {options.adapter}: there is no such directory.")
    tell(problems)


def _idle_flags(
    options: argparse.Namespace, given: Mapping[str, Any], values: Mapping[str, Any]
) -> list[str]:
    """A line for every flag that another setting makes say nothing: one that was ``given``, or is the checkpoint's own."""
    lines = []
    for name, by in silenced(values, SETTINGS).items():
        if getattr(options, name, None) is None:
            continue
        reason = f"{_said(options, by, values)}, the checkpoint's own: set another, or leave it out"
        if by in given:
            reason = f"{_said(options, by, values)}: leave one of them out"
        elif by in _LEARNT:
            reason = _LEARNT[by]
        lines.append(f"{_said(options, name)} has no effect with {reason}.")
    return lines


def _said(options: argparse.Namespace, name: str, values: Mapping[str, Any] | None = None) -> str:
    """How the user said a setting; with ``values``, and what it is."""
    value = getattr(options, name, None)
    if value is None and name in _preset(options):
        return f"--speed {options.speed}"
    told = value if values is None or value is not None else values[name]
    if isinstance(told, bool):
        return flag(name, told)
    return _flag(name) if values is None else f"{_flag(name)} {told}"


def _flag(name: str) -> str:
    """How the command line calls a setting; what has no flag of its own comes with a preset."""
    return flag(name) if name in OPTIONS else f"--speed's {name}"


def load(options: argparse.Namespace) -> "Editor":
    """Return the editor, with the settings of the command line, which are known to be good, as its own."""
    return set_up(load_own(options), options)


def load_own(options: argparse.Namespace) -> "Editor":
    """Return the editor that :func:`add_loading` names, with the settings that it was finished with."""
    # late: a mistake need not wait for the models' libraries
    from editmgt.editing.editor import Editor

    return Editor.from_pretrained(
        options.checkpoint,
        dtype=getattr(torch, options.dtype),
        adapter=options.adapter,
        text_encoder_afterwards=options.text_encoder,
    ).to(find_device("--device", options.device))


def set_up(editor: "Editor", options: argparse.Namespace) -> "Editor":
    """Return the editor with the settings of the command line as its own; a ``UserError`` where they are not for it."""
    editor = copy(editor)  # the models are one
    asked = _preset(options) | _given(options)
    own, editor.settings = editor.settings, editor.settings.override(**asked)
    if options.negative_prompt is not None:
        check_guidance(editor.settings, _flag)
    editor.check(editor.settings, _flag)
    check_query(editor.settings, options.query, editor.transformer.config.connector_type, _flag)
    check_threshold(own, asked, _flag)
    tell(_idle_flags(options, asked, asdict(editor.settings) | editor.learnt))
    return editor


def edit_one(
    editor: "Editor",
    source: Image.Image,
    options: argparse.Namespace,
    mask: Image.Image | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    trace: bool = False,
) -> "EditResult":
    """Edit one upright picture by every instruction and seed."""
    return editor.edit(
        source,
        options.instruction,
        # not the file's name: renaming a picture should not change its edit
        sample_ids=["edit"] * len(options.instruction),
        mask=mask,
        query=options.query,
        composite=options.composite,
        feather=options.feather,
        seed=options.seed,
        trace=trace,
        progress=progress,
    )


def _given(options: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in OPTIONS if getattr(options, name) is not None}


def _preset(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of the preset that was named; a ``UserError`` where there is none of that name."""
    if options.speed is None:
        return {}
    known = presets("speed")
    if options.speed not in known:
        raise UserError(
            f"--speed {options.speed} is not one of {', '.join(known)}.{nearest(options.speed, [*known])}"
        )
    return known[options.speed]


@contextmanager
def plain_warnings(say: Callable[[str], None] = to_stderr) -> Iterator[None]:
    """Show our own warnings as one plain line; the libraries' stay hidden."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda *_, **__: None
        with told_once(say):
            yield
