"""The files that edits are written to: where, in which format, and what of a picture that format can hold."""

import os
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from editmgt.editing.original import Original
from editmgt.editing.picture_files import size_of
from editmgt.errors import UserError, first_line, nearest
from editmgt.files import write_atomic

LOSSLESS = ("PNG", "TIFF", "BMP")
LONGEST_OUTPUT = 210  # bytes: leaves room for _1_seed0, _explain.png and the temporary name
COMMON_FORMATS = (".png", ".jpg", ".jpeg", ".webp", ".tiff", ".bmp", ".gif")
_LOST = {"RGBA": "transparency", "CMYK": "CMYK colours", "I;16": "16-bit grey"}


def output_format(path: Path, lossless: bool = False) -> str:
    """Return Pillow's name of the format that ``path`` asks for, if it can be written there."""
    if path.is_dir():
        raise UserError(
            f"--output {path} is a directory and cannot be written: name a file, such as {path / 'out.png'}."
        )
    extensions = {end: name for end, name in Image.registered_extensions().items() if name in Image.SAVE}
    if not path.suffix:
        raise UserError(f"--output {path} has no ending that says the format: {path}.png, for one.")
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
    if path.exists() and not path.is_file():
        raise UserError(f"--output {path} cannot be written: it is no ordinary file.")
    check_folder(path, path.parent)
    if len(os.fsencode(path.name)) > LONGEST_OUTPUT:
        raise UserError(f"--output {path}: the name is longer than {LONGEST_OUTPUT} bytes.")
    return picture_format


def check_folder(output: Path, folder: Path) -> None:
    """Raise a ``UserError`` where ``folder``, which ``output`` needs, is neither there for writing nor can be made."""
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise UserError(f"--output {output} cannot be written: {folder} is no directory.")
    if not os.access(folder, os.W_OK):
        raise UserError(f"--output {output} cannot be written: nobody may write into {folder} but its owner.")


def check_size(path: Path, size: tuple[int, int], picture_format: str) -> None:
    """Raise a ``UserError`` where a file of the format cannot hold a picture of ``size``: too large, or not an icon's."""
    content = encode(Image.new("RGB", size), picture_format)
    # an icon is written in sizes of its own, or in none
    if picture_format in Image.OPEN and size_of(BytesIO(content)) != size:
        raise UserError(
            f"--output {path}: a '{path.suffix}' file cannot hold a picture of {size[0]}x{size[1]} pixels; "
            "try .png or .jpg."
        )


def names(output: Path, instructions: int, seeds: Sequence[int]) -> list[Path]:
    """Return a file for every instruction and, inside each, every seed; numbers and seeds are named where several are."""
    numbers = [f"_{i + 1}" for i in range(instructions)] if instructions > 1 else [""]
    ends = [f"_seed{seed}" for seed in seeds] if len(seeds) > 1 else [""]
    return [output.with_stem(f"{output.stem}{number}{end}") for number in numbers for end in ends]


def explained(output: Path) -> Path:
    """Return where the picture that explains ``output`` goes."""
    return output.with_name(f"{output.stem}_explain.png")


def check_composite(path: Path, original: Original, picture_format: str, deep: bool) -> None:
    """Raise a ``UserError`` where a file at ``path`` could not keep every bit of a picture, or Pillow ``deep`` colours."""
    picture = original.base
    if original.converted:
        raise UserError(
            f"The picture has {original.converted}, and is given back in sRGB: --composite cannot keep them bit for bit. "
            "Leave it out, or save the picture as RGB."
        )
    if deep:
        raise UserError(
            "The picture has colours of 16 bits, of which Pillow reads 8: --composite cannot keep them bit for bit. "
            "Leave it out, or save the picture with 8 bits."
        )
    if what := lost(picture, picture_format):
        fitting = ".tiff" if lost(picture, "PNG") else ".png"
        raise UserError(
            f"--output {path}: --composite keeps pixels bit for bit, and a '{path.suffix}' file cannot hold {what}: "
            f"name a {fitting} file."
        )


def fitted(own: Image.Image, srgb: Image.Image, picture_format: str) -> tuple[Image.Image, list[str]]:
    """Return what to write, ``own`` where the format holds it, else ``srgb``, and a line on each thing that cannot stay."""
    notes = []
    if what := lost(own, picture_format):
        over = ", over white" if own.mode == "RGBA" else ""
        notes.append(f"{picture_format} files cannot hold {what}: written as 8-bit sRGB{over}.")
        srgb.info = {name: value for name, value in own.info.items() if name != "icc_profile"}
        return srgb, notes
    if own.mode == "I;16":
        notes.append("it is grey, of more than 8 bits, and stays so: what the edit colours is grey.")
    return own, notes


def refuse_inputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raise a ``UserError`` where a file to write is one that is read: by name, through links, or as the same inode."""
    known = [path for path in inputs if path.exists()]
    for output in outputs:
        for path in known:
            if output.exists() and output.samefile(path):
                raise UserError(
                    f"--output: {output} is the same file as {path}, which it would replace: name another, "
                    "or add --overwrite."
                )


def encode(image: Image.Image, picture_format: str) -> bytes:
    """Return the picture as the content of a file; what the format cannot hold is a ``UserError``."""
    buffer = BytesIO()
    options: dict[str, Any] = {"quality": 95} if picture_format in ("JPEG", "WEBP") else {}
    options |= {name: image.info[name] for name in ("icc_profile", "dpi") if name in image.info}
    try:
        image.save(buffer, picture_format, **options)
    except Exception as error:  # Pillow's encoders raise half a dozen kinds of error over a picture too large
        raise UserError(
            f"A picture of {image.width}x{image.height} pixels cannot be written as {picture_format}: {first_line(error)}."
        ) from error
    return buffer.getvalue()


def lost(picture: Image.Image, picture_format: str) -> str:
    """Return what of the picture's mode and colour profile a file of the format cannot hold, "" where it holds all."""
    profile = picture.info.get("icc_profile")
    if picture.mode == "RGB" and not profile:
        return ""
    pixel = Image.new(picture.mode, (1, 1))
    pixel.info = {"icc_profile": profile} if profile else {}
    try:
        with Image.open(BytesIO(encode(pixel, picture_format))) as read:
            read.load()
            same_mode, same_profile = read.mode == picture.mode, read.info.get("icc_profile") == profile
    except (UserError, OSError, ValueError, SyntaxError):  # not written, or a format that Pillow cannot read
        same_mode = same_profile = False
    if not same_mode and picture.mode in _LOST:
        return _LOST[picture.mode]
    return "" if same_profile else "a colour profile"


def write(path: Path, picture: Image.Image, picture_format: str) -> None:
    """Write a picture whole or not at all."""
    write_file(path, encode(picture, picture_format))


def write_file(path: Path, content: bytes | str) -> None:
    """Write a file whole or not at all; a disk that takes none of it is a ``UserError``."""
    try:
        write_atomic(path, content)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.") from error
