"""The options of ``edit.py``."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, NoReturn

from editmgt.editing.box import read_box
from editmgt.editing.picture_files import MAX_PIXELS
from editmgt.editing.settings import OPTIONS, SETTINGS, EditSettings
from editmgt.errors import UserError, nearest

LONGEST_PART = 255  # bytes, on every common file system


class Parser(argparse.ArgumentParser):
    """Raises a ``UserError`` for a mistake."""

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Name an option that there is not before one that is missing: it is most likely its misspelling."""
        given = sys.argv[1:] if args is None else args
        for option in (one.partition("=")[0] for one in takewhile(lambda one: one != "--", given)):
            if re.match("--?[A-Za-z]", option) and option not in self._option_string_actions:
                close = nearest(option, self._option_string_actions)
                raise UserError(f"There is no option {option}.{close} See {self.prog} --help.")
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Say it in one line."""
        raise UserError(f"{message[0].upper()}{message[1:]}. See {self.prog} --help.")


def _name(value: str) -> str:
    """Return a path as it is; one too long for any file system is most likely an instruction in its place."""
    if len(os.fsencode(value)) > 4000 or any(len(os.fsencode(p)) > LONGEST_PART for p in Path(value).parts):
        raise argparse.ArgumentTypeError(
            f"'{value[:40]}...' is too long for the name of a file: the picture comes first, then the instruction"
        )
    return value


def _path(value: str) -> Path:
    return Path(_name(value))


def read_line(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of a command line, of this process's by default; a mistake is a ``UserError``."""
    return _parser().parse_args(arguments)


def add_loading(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which editor is loaded, and to where."""
    add = parser.add_argument
    add(
        "--checkpoint",
        type=_name,
        default="tiny_editor",
        help="shipped name, directory, or hub id with @REVISION or :VARIANT after it (default: %(default)s)",
    )
    add("--adapter", type=_path, help="directory of a LoRA to put on the checkpoint")
    add("--device", default="auto", help="cpu, cuda, cuda:1 ... (default: cuda where there is one)")
    add(
        "--dtype",
        choices=("float32", "bfloat16", "float16"),
        default="float32",
        help="of transformer and text encoder: half takes half the memory (default: %(default)s)",
    )
    add(
        "--text-encoder",
        choices=("keep", "offload", "drop"),
        default="offload",
        help="once it has read the texts: keep it on the device, send it to the CPU or free it (default: %(default)s)",
    )


def flag(name: str, value: Any = True) -> str:
    """Return how the command line calls a setting, or says that one is off."""
    return f"--{'no-' if value is False else ''}{name.replace('_', '-')}"


def _add_setting(parser: argparse.ArgumentParser, name: str) -> None:
    """Add a setting of an edit as an option of its type; the checkpoint's own stands for what is not given."""
    what, kind = SETTINGS[name].option, type(getattr(EditSettings, name))
    if kind is bool:
        parser.add_argument(flag(name), action=argparse.BooleanOptionalAction, help=what)
    else:
        metavar = {"int": "N", "float": "X"}.get(kind.__name__, name.rpartition("_")[-1].upper())
        parser.add_argument(flag(name), type=kind, metavar=metavar, help=what)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="edit.py",
        description="Edit a picture by instruction.",
        allow_abbrev=False,
        epilog="Settings that are not given are those the checkpoint was finished with.",
    )
    add = parser.add_argument
    add("image", type=_path, help="picture to edit, any size and aspect ratio, or a directory of pictures")
    add(
        "instruction",
        nargs="+",
        help='what to change, as in "make the hat red"; several make one edit each, OUTPUT_1, OUTPUT_2 ...',
    )
    add(
        "--output",
        type=_path,
        required=True,
        help="file to write, its extension chooses the format; an older result there is replaced. For a directory of "
        "pictures the directory to write to",
    )
    add_loading(parser)
    add(
        "--speed",
        metavar="PRESET",
        help="quality (nothing is left out), balanced or fast: settings of conf/speed; other options change them",
    )
    for name in OPTIONS:
        _add_setting(parser, name)
    where = parser.add_mutually_exclusive_group().add_argument
    where(
        "--mask",
        type=_path,
        help="picture of the same size: white may change, or what is opaque where it has transparency; all else "
        "keeps the source's tokens. For a directory of pictures a directory of masks with the pictures' names",
    )
    where(
        "--box",
        type=read_box,
        metavar="LEFT,TOP,RIGHT,BOTTOM",
        help="the same by four numbers, in %% of the picture, as in 10,20,60,80",
    )
    add("--query", metavar="WORD", help="a word of the instruction: its attention alone says where to edit")
    add(
        "--composite",
        action="store_true",
        help="keep the picture's own pixels outside the edited region, bit for bit, and its detail where the edit keeps "
        "the structure",
    )
    add(
        "--feather",
        action="store_true",
        help="with --composite: the mask's greys blend the edit in (else its middle divides edit and picture)",
    )
    add(
        "--seed",
        type=int,
        nargs="+",
        default=[0],
        help="another seed, another result (default: 0); several make one edit each, OUTPUT_seed0, OUTPUT_seed1 ...",
    )
    add(
        "--overwrite", action="store_true", help="let --output replace the picture, or the mask, that is read"
    )
    add(
        "--max-pixels",
        type=int,
        default=MAX_PIXELS,
        help="larger pictures are refused before they are decoded (default: %(default)s)",
    )
    add(
        "--explain", action="store_true", help="also write OUTPUT_explain.png: source, edit, map, held tokens"
    )
    return parser
