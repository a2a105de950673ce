"""Cells of tables: which types of column hold pictures and texts, and how a cell becomes a picture."""

import base64
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from editmgt.editing.picture_files import MAX_PIXELS, decode_image, no_limit_but_ours, read_image
from editmgt.errors import UserError, first_line, nearest

if TYPE_CHECKING:
    import pyarrow as pa

PICTURE = "a picture: a struct {bytes, path}, bytes, or a string (a path, or the picture in base64)"
TEXT = "a text: a string, or its bytes"
# What a file of PNG, JPEG, WebP, GIF, TIFF or BMP begins with, in base64; no path that is there begins so.
_BASE64 = re.compile(
    r"data:[^,]*;base64,|(?=iVBORw0KGgo|[/_]9j[/_]|UklGR|R0lGOD|SUk[qr]A|TU0AK|Qk[0-3][\w+/-]{5}AAAAA)"
)
_URL_SAFE = str.maketrans("-_", "+/")  # the other alphabet of base64
_HELD_BY = {TEXT: ("text", "bytes", "null"), PICTURE: ("picture", "bytes", "text", "null")}
_ORIENTATION, _QUARTER_TURNS = 0x0112, (5, 6, 7, 8)  # in EXIF
_SHOWN = 80  # characters of a cell that a message quotes


def column_problem(schema: "pa.Schema", column: str, kind: str | None) -> str | None:
    """Return why ``column`` cannot be read as ``kind`` (``PICTURE``, ``TEXT``, None: anything); None where it can."""
    count = schema.names.count(column)
    if count == 0:
        present = first_line(", ".join(schema.names) or "none")
        return f"there is no such column; there are {present}.{nearest(column, schema.names)}"
    if count > 1:
        return f"{count} columns have this name."
    found = schema.field(column).type
    if kind is None or storage(found) in _HELD_BY[kind]:
        return None
    return f"the column's type is {first_line(found, _SHOWN)}, which is not {kind}."


def storage(found: "pa.DataType") -> str:
    """Return how a column holds its values: ``text``, ``bytes``, ``picture`` (a struct), ``null``, or its type's name."""
    import pyarrow.types as types

    if types.is_dictionary(found):
        found = found.value_type
    if types.is_string(found) or types.is_large_string(found) or types.is_string_view(found):
        return "text"
    if types.is_binary(found) or types.is_large_binary(found) or types.is_binary_view(found):
        return "bytes"
    if types.is_struct(found):
        parts = {field.name: storage(field.type) for field in found.fields}
        if {"bytes", "path"} & parts.keys() and set(parts.values()) <= {"text", "bytes", "null"}:
            return "picture"
    return str(found)


def locate(value: Any, folders: Sequence[Path]) -> Any:
    """Return a cell whose path, where it holds one, is taken from its table's folder, not from the working directory.

    A relative path where there are several ``folders`` is a ``UserError``; without any the cell stays as it is.
    """
    if isinstance(value, Mapping):
        value = value.get("bytes") if value.get("bytes") is not None else value.get("path")
    if not folders or not isinstance(value, str) or not value or _BASE64.match(value):
        return value
    if len(folders) > 1 and not Path(value).is_absolute():
        raise UserError(
            f"{_short(value)} is a relative path, but the tables lie in {len(folders)} folders "
            f"({first_line(', '.join(map(str, folders)))}): read the tables of one folder alone, or write whole paths."
        )
    return folders[0] / value


def open_picture(value: Any, name: str, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode a cell: a PIL picture, a ``{"bytes", "path"}`` pair, encoded bytes, base64 (also a data: URL), or a path.

    ``name`` is what an error calls it; a picture of more than ``max_pixels`` is refused before it is decoded. Whatever is no
    picture is a ``UserError`` of one short line.
    """
    value = locate(value, ())
    if isinstance(value, Image.Image):
        return value
    content = _content(value, name)
    if isinstance(content, Path):
        return read_image(content, max_pixels)
    return decode_image(content, name, max_pixels)


def picture_size(value: Any) -> tuple[int, int] | None:
    """Return (width, height) of the picture in a cell, upright, from its header alone; None where it has none.

    ``value`` may also be an open file.
    """
    try:
        if not hasattr(value, "read"):
            value = _content(locate(value, ()), "")
        with no_limit_but_ours(), Image.open(BytesIO(value) if isinstance(value, bytes) else value) as image:
            return image.size[::-1] if _lies_on_its_side(image) else image.size
    except Exception:  # whoever decodes the picture says what is wrong with it
        return None


def _lies_on_its_side(image: Image.Image) -> bool:
    if image.format == "PNG" and "exif" not in image.info:  # to look for it would decode the picture
        return False
    with suppress(Exception):  # what is broken turns nothing
        return image.getexif().get(_ORIENTATION, 1) in _QUARTER_TURNS
    return False


def _content(value: Any, name: str) -> bytes | Path:
    if isinstance(value, str) and (start := _BASE64.match(value)):
        try:
            text = "".join(value[start.end() :].split()).translate(_URL_SAFE).rstrip("=")
            return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except ValueError as error:
            raise UserError(f"{name} is no whole base64: {error}.") from error
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str | Path):
        raise UserError(f"{name} is missing: there is {type(value).__name__} in its place.")
    try:
        there = Path(value).is_file()
    except OSError:  # a name that is too long, for one
        there = False
    if not there:
        raise UserError(f"{name} is neither a file that is there nor base64: {_short(str(value))}.")
    return Path(value)


def is_missing(value: Any) -> bool:
    """Whether a cell that may hold a picture is empty."""
    if isinstance(value, Mapping):
        return value.get("bytes") is None and not value.get("path")
    return value is None or value == ""


def _short(text: str) -> str:
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r} ... ({len(text):,} characters)"
