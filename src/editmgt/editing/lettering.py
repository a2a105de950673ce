"""A font that has the letters of a text: Pillow's own knows Latin ones alone."""

import re
from functools import cache

from PIL import ImageFont

_LATIN = "\u024f"  # the last letter of Latin Extended-B

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def font_for(text: str, size: int) -> Font:
    """Return Pillow's own font, or the first one of this machine with every letter of ``text`` where that is not Latin.

    Where none has them (no Chinese font is installed, say), it is Pillow's, which draws a box for a letter it lacks.
    """
    if max(text, default="") > _LATIN:
        letters = {ord(letter) for letter in text if not letter.isspace()}
        for path in _fonts():
            if letters <= _letters(path):
                return ImageFont.truetype(path, size)
    return ImageFont.load_default(size)


def wrapped(text: str, font: Font, width: float) -> str:
    """Return a text in lines of at most ``width`` pixels, between words or after a path's slashes where that can be."""
    lines = [""]
    for part in re.split(r"(?<=[ /])", " ".join(text.split())):
        if font.getlength((lines[-1] + part).rstrip()) <= width:
            lines[-1] += part
            continue
        if lines[-1]:
            lines.append("")
        for letter in part:  # Chinese has no spaces: it breaks anywhere
            if lines[-1] and font.getlength((lines[-1] + letter).rstrip()) > width:
                lines.append("")
            lines[-1] += letter
    return "\n".join(line.rstrip() for line in lines)


@cache
def _fonts() -> list[str]:
    """Upright fonts of ordinary weight that come in any size: matplotlib's, then the machine's, by name."""
    from matplotlib import font_manager  # late: few texts need it

    found = [
        font
        for font in font_manager.fontManager.ttflist
        if (font.style, font.weight, font.size) == ("normal", 400, "scalable")
        and not font.name.startswith("Last Resort")  # a box for every letter there is
    ]
    return [font.fname for font in sorted(found, key=lambda font: (font.name != "DejaVu Sans", font.name))]


@cache
def _letters(path: str) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):  # removed since, or of a kind that FreeType does not read
        return frozenset()
