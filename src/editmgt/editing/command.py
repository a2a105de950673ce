"""The plain command line behind ``edit.py``; slow imports wait until the input is known to be good."""

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from editmgt.errors import UserError, nearest
from editmgt.files import write_atomic

if TYPE_CHECKING:
    from PIL import Image

    from editmgt.editing.editor import Editor, EditResult

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
LOSSLESS = ("PNG", "TIFF", "BMP")
LONGEST_PART = 255  # bytes, on every common file system
LONGEST_OUTPUT = 220  # leaves room for _1, _explain.png and the temporary name that is written first
COMMON_FORMATS = (".png", ".jpg", ".jpeg", ".webp", ".tiff", ".bmp", ".gif")


def main(arguments: Sequence[str] | None = None) -> int:
    """Edit a picture, or a directory of them, as the command line says; returns the exit status."""
    try:
        options = _parser().parse_args(arguments)
        if options.image.is_dir():
            from editmgt.editing.directory import edit_directory

            return edit_directory(options)
        print(edit(options))
    except UserError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("Interrupted: no file is half written.", file=sys.stderr)
        return INTERRUPTED
    return 0


def edit(options: argparse.Namespace) -> str:
    """Check everything, load the editor, edit, write; returns a line that says what was done."""
    from PIL import Image

    from editmgt.editing.composite import edited_region, largest_change
    from editmgt.editing.images import black_or_white, read_image, upright_rgb, working_size

    problems: list[str] = []
    picture_format, source, mask = "", None, None
    with gathered(problems):
        picture_format = output_format(options.output, lossless=options.composite)
    with gathered(problems):
        check_instructions(options.instruction)
    with gathered(problems):
        source = upright_rgb(read_image(options.image, options.max_pixels))
        if picture_format:  # some formats have a largest size: known before any work
            encode(Image.new("RGB", source.size), picture_format)
    if options.mask is not None:
        with gathered(problems):
            mask = read_image(options.mask, options.max_pixels)
            mask = mask if source is None else black_or_white(mask, source.size)
    with gathered(problems):
        check_settings(options)
    tell(problems)
    assert source is not None
    editor = load(options)
    with plain_warnings(), progress_bar("Editing, step") as progress:
        result = edit_one(editor, source, options, mask, progress)
    width, height = working_size(source.size, editor.settings.resolution, editor.pixels_per_cell)
    lines = []
    for i in range(len(options.instruction)):
        written = " and ".join(str(path) for path in _write(options, i, source, result, picture_format))
        said = f"{result.seconds:.1f} s, {result.held[i].float().mean():.0%} of the tokens held"
        if options.composite:
            region = edited_region(result.changed[i], source.size, mask)
            change = largest_change(source, result.images[i], region)
            said += f"; largest change outside the edited region: {change}"
        lines.append(
            f"Wrote {written} ({source.width}x{source.height} pixels, edited at {width}x{height}; {said})."
        )
    return "\n".join(lines)


def _write(
    options: argparse.Namespace, i: int, source: "Image.Image", result: "EditResult", picture_format: str
) -> Iterator[Path]:
    """Write what the ``i``-th instruction made and yield where."""
    output, instruction = options.output, options.instruction[i]
    if len(options.instruction) > 1:
        output = output.with_stem(f"{output.stem}_{i + 1}")
    write_atomic(output, encode(result.images[i], picture_format))
    yield output
    if options.explain:
        from editmgt.editing.picture import explain_row

        row = explain_row(source, instruction, result.images[i], result.localization[i], result.held[i])
        path = output.with_name(f"{output.stem}_explain.png")
        write_atomic(path, encode(row, "PNG"))
        yield path


def check_instructions(instructions: Sequence[str]) -> None:
    """Raise a ``UserError`` for an instruction that says nothing, or nothing readable."""
    if not all(instruction.strip() for instruction in instructions):
        raise UserError('The instruction is empty: say what to change, as in "make the hat red".')
    try:
        "".join(instructions).encode()
    except UnicodeEncodeError as error:  # how Python shows bytes of a command line that it cannot decode
        raise UserError(
            "The instruction is not valid UTF-8: type it again, or set a UTF-8 locale."
        ) from error


@contextmanager
def gathered(problems: list[str]) -> Iterator[None]:
    """Keep a user's mistake in ``problems``, so that what else is wrong is told with it."""
    try:
        yield
    except UserError as error:
        problems.append(str(error))


def tell(problems: list[str]) -> None:
    """Raise one ``UserError`` with a line for each of ``problems``, if there are any."""
    if problems:
        raise UserError("\n".join(problems))


def check_settings(options: argparse.Namespace) -> None:
    """Raise a ``UserError`` for all of settings, device and weights that can be known without loading them."""
    from editmgt.devices import find_device
    from editmgt.editing.settings import EditSettings, validate
    from editmgt.limits import SEED
    from editmgt.weights import find, on_hub

    problems: list[str] = []
    if options.no_region_hold and options.hold_threshold is not None:
        problems.append("--hold-threshold has no effect with --no-region-hold: leave one of them out.")
    if options.guidance_scale is not None:
        with gathered(problems):
            _check_guidance(options, options.guidance_scale)
    if not 0 <= options.seed <= SEED.most:
        rule = "must be at least 0" if options.seed < 0 else SEED.rule
        problems.append(f"--seed {options.seed} {rule}.")
    with gathered(problems):
        validate(EditSettings().override(**_overrides(options)))
    with gathered(problems):
        find_device("--device", options.device)
    with gathered(problems):
        if not on_hub(options.checkpoint):
            find(options.checkpoint)
    if options.adapter is not None and not options.adapter.is_dir():
        problems.append(f"--adapter {options.adapter}: there is no such directory.")
    tell(problems)


def _check_guidance(options: argparse.Namespace, scale: float) -> None:
    if options.negative_prompt is not None and scale <= 1:
        raise UserError(
            f"--negative-prompt has no effect without guidance: --guidance-scale {scale:g} must be more than 1."
        )


def load(options: argparse.Namespace) -> "Editor":
    """Return the editor, with the settings of the command line, which are known to be good, as its own."""
    import torch

    from editmgt.devices import find_device
    from editmgt.editing.editor import Editor

    editor = Editor.from_pretrained(
        options.checkpoint,
        dtype=getattr(torch, options.dtype),
        adapter=options.adapter,
        text_encoder_afterwards=options.text_encoder,
    ).to(find_device("--device", options.device))
    editor.settings = editor.settings.override(**_overrides(options))
    _check_guidance(options, editor.settings.guidance_scale)
    return editor


def edit_one(
    editor: "Editor",
    source: "Image.Image",
    options: argparse.Namespace,
    mask: "Image.Image | None" = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> "EditResult":
    """Edit one upright RGB picture by every instruction."""
    return editor.edit(
        source,
        options.instruction,
        # not the file's name: renaming a picture should not change its edit
        sample_ids=["edit"] * len(options.instruction),
        mask=mask,
        query=options.query,
        composite=options.composite,
        seed=options.seed,
        progress=progress,
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
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


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
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
        help="file to write, its extension chooses the format; for a directory the directory to write to",
    )
    add(
        "--checkpoint",
        type=_name,
        default="tiny_editor",
        help="shipped name, directory, or hub id with @REVISION or :VARIANT after it (default: %(default)s)",
    )
    add("--adapter", type=_path, help="directory of a LoRA to put on the checkpoint")
    add("--steps", type=int, help="sampling steps")
    add("--guidance-scale", type=float, help="classifier-free guidance; up to 1: none")
    add("--reference-strength", type=float, help="how strongly the source is heard (gamma); 1: as trained")
    add("--hold-threshold", type=float, help="tokens under this score keep the source's code, 0 to 1")
    add("--negative-prompt", help="what guidance leads away from")
    add(
        "--mask",
        type=_path,
        help="picture of the same size: white may change, all else keeps the source's tokens",
    )
    add("--query", metavar="WORD", help="a word of the instruction: its attention alone says where to edit")
    add(
        "--composite",
        action="store_true",
        help="outside the edited region keep the picture's own pixels, bit for bit",
    )
    add("--no-region-hold", action="store_true", help="let every token change")
    add("--no-consolidation", action="store_true", help="read the attention of one layer, unsmoothed")
    add("--seed", type=int, default=0, help="another seed, another result (default: %(default)s)")
    add(
        "--max-pixels",
        type=int,
        default=100_000_000,
        help="larger pictures are refused before they are decoded (default: %(default)s)",
    )
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
    add(
        "--explain", action="store_true", help="also write OUTPUT_explain.png: source, edit, map, held tokens"
    )
    return parser


def _overrides(options: argparse.Namespace) -> dict[str, Any]:
    """Return the edit settings that were given; the checkpoint's own stand for the others."""
    names = ("steps", "guidance_scale", "negative_prompt", "reference_strength", "hold_threshold")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.no_region_hold:
        given["region_hold"] = False
    if options.no_consolidation:
        given["consolidation"] = False
    return given


def output_format(path: Path, lossless: bool = False) -> str:
    """Return Pillow's name of the format that ``path`` asks for, if it can be written there."""
    from PIL import Image

    extensions = {end: name for end, name in Image.registered_extensions().items() if name in Image.SAVE}
    if path.suffix.lower() not in extensions:
        raise UserError(
            f"--output {path}: '{path.suffix}' is no image format that can be written; "
            f"try .png or .jpg.{nearest(path.suffix, COMMON_FORMATS)}"
        )
    picture_format = extensions[path.suffix.lower()]
    try:
        encode(Image.new("RGB", (1, 1)), picture_format)
    except UserError as error:  # Pillow registers writers that take no colour, or that need a plugin
        raise UserError(
            f"--output {path}: a '{path.suffix}' file cannot hold a colour picture; try .png or .jpg."
        ) from error
    if lossless and picture_format not in LOSSLESS:
        raise UserError(
            f"--output {path}: --composite keeps pixels bit for bit, so name a .png, .tiff or .bmp file."
        )
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UserError(f"--output {path} cannot be written.")
    if len(os.fsencode(path.name)) > LONGEST_OUTPUT:
        raise UserError(f"--output {path}: the name is longer than {LONGEST_OUTPUT} bytes.")
    return picture_format


def encode(image: "Image.Image", picture_format: str) -> bytes:
    """Return the picture as the content of a file; what the format cannot hold is a ``UserError``."""
    buffer = BytesIO()
    try:
        image.save(buffer, picture_format, **({"quality": 95} if picture_format in ("JPEG", "WEBP") else {}))
    except Exception as error:  # Pillow's encoders raise half a dozen kinds of error over a picture too large
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"A picture of {image.width}x{image.height} pixels cannot be written as {picture_format}: {reason}."
        ) from error
    return buffer.getvalue()


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Show our own warnings as one plain line; the libraries' stay hidden."""
    from editmgt.editing.editor import InstructionCut

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if issubclass(category, InstructionCut):
            print(f"Warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", InstructionCut)
        warnings.showwarning = show
        yield


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on the terminal with the step and the time left; nothing where stderr is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn(what), MofNCompleteColumn(), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("edit", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
