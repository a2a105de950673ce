"""Editing every picture of a directory by one instruction; a bad file is a failed row, not the end of the run."""

import argparse
import sys
from pathlib import Path

from editmgt.editing.command import (
    FAILED,
    INTERRUPTED,
    LOSSLESS,
    check_instructions,
    check_settings,
    edit_one,
    encode,
    gathered,
    load,
    output_format,
    plain_warnings,
    progress_bar,
    tell,
)
from editmgt.errors import UserError
from editmgt.files import write_atomic
from editmgt.spreadsheet import to_csv

TABLE = "edits.csv"


def edit_directory(options: argparse.Namespace) -> int:
    """Edit every file of ``options.image`` into ``options.output`` under its own name; returns the exit status.

    ``edits.csv`` there has a row (file, status, error) for each, in order: ``ok``, ``failed`` with its reason, or
    ``skipped`` for what has no picture's extension. Pictures written before an interruption are whole.
    """
    source_dir, output = options.image, options.output
    problems: list[str] = []
    with gathered(problems):
        check_instructions(options.instruction)
    if options.explain:
        problems.append("--explain shows one edit: give it one picture.")
    if options.mask is not None:
        problems.append("--mask is of one picture: give it that picture, not a directory.")
    if len(options.instruction) > 1:
        problems.append(
            f"{len(options.instruction)} instructions came with a directory: give them one picture."
        )
    if output.exists() and (not output.is_dir() or output.samefile(source_dir)):
        problems.append(f"--output {output} must be a directory, another one than {source_dir}.")
    files = sorted(file for file in source_dir.iterdir() if file.is_file() and not file.name.startswith("."))
    if not any(_is_picture(file) for file in files):
        problems.append(f"{source_dir} holds no picture.")
    with gathered(problems):
        check_settings(options)
    tell(problems)

    from editmgt.editing.images import read_image, upright_rgb

    editor = load(options)
    rows: list[tuple[str, str, str]] = []
    status = 0
    with plain_warnings(), progress_bar("Editing, picture") as progress:
        for number, file in enumerate(files):
            progress(number, len(files))
            if not _is_picture(file):
                rows.append((file.name, "skipped", "not a picture's extension"))
                continue
            try:
                path = output / file.name
                if options.composite and output_format(path) not in LOSSLESS:
                    path = path.with_name(f"{file.name}.png")  # a JPEG cannot keep pixels bit for bit
                picture_format = output_format(path)
                source = upright_rgb(read_image(file, options.max_pixels))
                result = edit_one(editor, source, options)
                write_atomic(path, encode(result.images[0], picture_format))
                rows.append((file.name, "ok", ""))
            except UserError as error:
                rows.append((file.name, "failed", str(error)))
                print(error, file=sys.stderr)
                status = FAILED
            except KeyboardInterrupt:
                print(f"Interrupted at {file}; what is written is whole.", file=sys.stderr)
                status = INTERRUPTED
                break
    _write(rows, output / TABLE)
    counted = {name: sum(row[1] == name for row in rows) for name in ("ok", "failed", "skipped")}
    print(
        f"Edited {counted['ok']} pictures of {source_dir} into {output}; {counted['failed']} failed, "
        f"{counted['skipped']} other files skipped ({output / TABLE})."
    )
    return status


def _is_picture(file: Path) -> bool:
    from PIL import Image

    return file.suffix.lower() in Image.registered_extensions()


def _write(rows: list[tuple[str, str, str]], path: Path) -> None:
    write_atomic(path, to_csv([("file", "status", "error"), *rows]))
