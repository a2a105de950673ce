"""Editing every picture of a directory by one instruction; a bad file is a failed row, not the end of the run."""

import argparse
import sys
from collections.abc import Collection
from pathlib import Path

from PIL import Image

from editmgt.editing.box import box_mask
from editmgt.editing.edit_file import (
    check_instructions,
    check_settings,
    edit_one,
    load,
    plain_warnings,
    to_stderr,
    write_edit,
)
from editmgt.editing.masks import read_mask
from editmgt.editing.original import Original
from editmgt.editing.output import (
    LOSSLESS,
    check_composite,
    check_folder,
    check_size,
    lost,
    output_format,
    refuse_inputs,
    write_file,
)
from editmgt.editing.picture_files import file_notes, has_deep_colours, read_image, size_of
from editmgt.editing.samples import check_seeds
from editmgt.editing.size_note import size_note
from editmgt.errors import UserError, gathered, tell
from editmgt.interrupts import INTERRUPTED
from editmgt.progress import progress_bar
from editmgt.spreadsheet import to_csv

TABLE = "edits.csv"
FAILED = 1  # the exit status where a picture failed
#: Formats whose extensions Pillow knows and that it only writes, or only names.
_NEVER_READ = ("BUFR", "GRIB", "HDF5", "MPEG", "PALM", "PDF")
_NAMED = 5  # pictures without a mask that are named


def edit_directory(options: argparse.Namespace) -> int:
    """Edit every file of ``options.image`` into ``options.output`` under its own name; returns the exit status.

    ``edits.csv`` there has a row (file, status, error) for each, in order: ``ok``, ``failed`` with its reason, or
    ``skipped`` for what has no extension of pictures that can be read. Pictures written before an interruption are whole.
    """
    source_dir, output = options.image, options.output
    problems: list[str] = []
    with gathered(problems):
        check_instructions(options.instruction)
    if options.explain:
        problems.append("--explain shows one edit: give it one picture.")
    if len(options.instruction) > 1:
        problems.append(
            f"{len(options.instruction)} instructions came with a directory: give the command once for each, with an "
            "--output of its own."
        )
    with gathered(problems):
        if len(check_seeds(options.seed, "--seed")) > 1:
            problems.append(
                f"{len(options.seed)} seeds came with a directory: give the command once for each --seed, with an "
                "--output of its own."
            )
    if output.exists() and (not output.is_dir() or (output.samefile(source_dir) and not options.overwrite)):
        problems.append(
            f"--output {output} must be a directory, another one than {source_dir} (or add --overwrite)."
        )
    elif not output.is_dir() and output.suffix.lower() in Image.registered_extensions():
        problems.append(
            f"--output {output} is to be a directory, as {source_dir} is, and not a {output.suffix} file: name a directory."
        )
    else:
        with gathered(problems):
            check_folder(output, output)
    files = sorted(file for file in source_dir.iterdir() if file.is_file() and not file.name.startswith("."))
    pictures = [file for file in files if _is_picture(file)]
    if not pictures:
        problems.append(f"{source_dir} holds no picture.")
    masks: dict[Path, Path] = {}
    if options.mask is not None:
        with gathered(problems):
            masks = _masks(options.mask, pictures)
    with gathered(problems):
        check_settings(options)
    tell(problems)

    editor = load(options)
    sizes = [size for file in pictures if (size := size_of(file))]
    if note := size_note(editor, sizes, options.checkpoint, options.composite):
        to_stderr(note)
    rows: list[tuple[str, str, str]] = []
    taken = {file.name for file in files}
    status = 0
    with plain_warnings(), progress_bar("editing, picture", to_stderr) as progress:
        for number, file in enumerate(files):
            progress(number, len(files))
            if not _is_picture(file):
                rows.append((file.name, "skipped", "not a picture's extension"))
                continue
            try:
                original = Original.of(read_image(file, options.max_pixels))
                path = output / file.name
                if options.composite:
                    path = _lossless(path, original, taken)
                picture_format = output_format(path)
                check_size(path, original.rgb.size, picture_format)
                if options.composite:
                    check_composite(path, original, picture_format, has_deep_colours(file))
                if not options.overwrite:
                    refuse_inputs([path], [file, *masks.values()])
                mask = None
                if file in masks:
                    mask = read_mask(read_image(masks[file], options.max_pixels), size=original.rgb.size)
                elif options.box is not None:
                    mask = box_mask(original.rgb.size, options.box)
                result = edit_one(editor, original.base, options, mask)
                notes = write_edit(path, original, result.images[0], picture_format, options.composite)
                for note in (*file_notes(file), *notes):
                    print(f"Note on {file}: {note}", file=sys.stderr)
                rows.append((file.name, "ok", ""))
            except UserError as error:
                rows.append((file.name, "failed", str(error)))
                print(error, file=sys.stderr)
                status = FAILED
            except KeyboardInterrupt:
                print(f"Interrupted at {file}; what is written is whole.", file=sys.stderr)
                status = INTERRUPTED
                break
    write_file(output / TABLE, to_csv([("file", "status", "error"), *rows]))
    counted = {name: sum(row[1] == name for row in rows) for name in ("ok", "failed", "skipped")}
    print(
        f"Edited {counted['ok']} pictures of {source_dir} into {output}; {counted['failed']} failed, "
        f"{counted['skipped']} other files skipped ({output / TABLE})."
    )
    return status


def _lossless(path: Path, original: Original, taken: Collection[str]) -> Path:
    """Return ``path``, or a name that is not ``taken``, for a file that keeps the picture bit for bit: a JPEG cannot."""
    picture_format = output_format(path)
    if picture_format in LOSSLESS and not lost(original.base, picture_format):
        return path
    suffix = ".tiff" if lost(original.base, "PNG") else ".png"
    path = path.with_name(path.name + suffix)
    while path.name in taken:  # another picture of the directory has it
        path = path.with_name(path.name + suffix)
    return path


def _is_picture(file: Path) -> bool:
    return Image.registered_extensions().get(file.suffix.lower()) not in (None, *_NEVER_READ)


def _masks(directory: Path, pictures: list[Path]) -> dict[Path, Path]:
    """Return every picture's mask: the picture in ``directory`` that has its name, whatever either name ends in.

    Raises:
        UserError: where pictures have no mask or several, by the names of the first of them.
    """
    if not directory.is_dir():
        raise UserError(f"--mask {directory} must be a directory of masks, as the pictures are in one.")
    found: dict[str, list[Path]] = {}
    for file in sorted(directory.iterdir()):
        if file.is_file() and not file.name.startswith(".") and _is_picture(file):
            found.setdefault(file.stem, []).append(file)
    wrong = [picture.name for picture in pictures if len(found.get(picture.stem, ())) != 1]
    if wrong:
        rest = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise UserError(
            f"--mask {directory} must hold one mask, of the same name, for each picture; it holds none or several "
            f"for {', '.join(wrong[:_NAMED])}{rest}."
        )
    return {picture: found[picture.stem][0] for picture in pictures}
