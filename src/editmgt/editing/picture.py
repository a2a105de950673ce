"""One picture that explains an edit: source, result, where the instruction looked, which tokens were held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from editmgt.editing.lettering import font_for, wrapped

if TYPE_CHECKING:
    from torch import Tensor

PANEL = 256  # longest side of a panel, in pixels
MARGIN = 14
TITLE_SIZE = 18
LABEL_SIZE = 14
INK = (32, 32, 36)
GREY = (110, 110, 118)
BORDER = (205, 205, 210)
TINT = (0, 150, 136)  # of held tokens
TINT_STRENGTH = 0.6
HEAT_STRENGTH = 0.7
GRID_STRENGTH = 0.27  # of its white lines
SMALLEST_GRID = 6  # tokens narrower than this, in pixels, get no grid lines

# Dark to light through purple and orange: readable in grey and by colour-blind readers.
HEAT = np.array([(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)], dtype=np.float64)


def explain_row(
    source: Image.Image,
    instruction: str,
    edited: Image.Image,
    localization: Tensor,
    held: Tensor,
    target: Image.Image | None = None,
) -> Image.Image:
    """Draw one edit as a row of labelled panels under its instruction.

    Args:
        source: the picture that was edited.
        instruction: the sentence.
        edited: the result.
        localization: map [h,w] in [0, 1].
        held: bool [H,W], tokens held.
        target: the wanted result, where one is known.
    """
    panels = [("source", fit(source))]
    if target is not None:
        panels.append(("target", fit(target)))
    panels += [
        ("edited", fit(edited)),
        ("where to edit, by the map", heat(fit(source), localization)),
        (f"held tokens: {held.float().mean():.0%}", tint(fit(edited), held)),
    ]
    return _lay_out(instruction, panels)


def stack_rows(rows: Sequence[Image.Image]) -> Image.Image:
    """Put rows under each other, parted by thin lines."""
    width = max(row.width for row in rows)
    picture = Image.new("RGB", (width, sum(row.height for row in rows)), "white")
    draw, top = ImageDraw.Draw(picture), 0
    for row in rows:
        picture.paste(row, (0, top))
        if top:
            draw.line([(MARGIN, top), (width - MARGIN, top)], fill=BORDER)
        top += row.height
    return picture


def fit(image: Image.Image, longest: int = PANEL) -> Image.Image:
    """Scale to a longest side of ``longest`` pixels; small pictures keep their pixels visible."""
    scale = longest / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    method = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    return image.convert("RGB").resize((width, height), method)


def heat(image: Image.Image, localization: Tensor) -> Image.Image:
    """Lay a map [h,w] in [0, 1] over a grey version of the picture, in the picture's size."""
    map_image = Image.fromarray(localization.float().cpu().numpy())
    values = np.array(map_image.resize(image.size, Image.Resampling.BILINEAR)).clip(0, 1)
    stops = np.linspace(0, 1, len(HEAT))
    colours = np.stack([np.interp(values, stops, channel) for channel in HEAT.T], axis=-1)
    grey = np.array(image.convert("L"), dtype=np.float64)[..., None]
    return _picture(HEAT_STRENGTH * colours + (1 - HEAT_STRENGTH) * grey)


def tint(
    image: Image.Image,
    tokens: Tensor,
    colour: tuple[int, int, int] = TINT,
    opacity: float = TINT_STRENGTH,
) -> Image.Image:
    """Colour the ``tokens`` that are True, bool [H,W], held ones for example, and draw the grid of tokens."""
    rows, columns = tokens.shape
    chosen = Image.fromarray(tokens.cpu().numpy().astype(np.uint8))
    strength = opacity * np.array(chosen.resize(image.size, Image.Resampling.NEAREST))[..., None]
    values = (1 - strength) * np.array(image) + strength * np.array(colour)
    if min(image.width / columns, image.height / rows) >= SMALLEST_GRID:
        across = [round(column * image.width / columns) for column in range(1, columns)]
        down = [round(row * image.height / rows) for row in range(1, rows)]
        values[:, across] += GRID_STRENGTH * (255 - values[:, across])
        values[down] += GRID_STRENGTH * (255 - values[down])
    return _picture(values)


def _picture(values: np.ndarray) -> Image.Image:
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))


def _lay_out(title: str, panels: list[tuple[str, Image.Image]]) -> Image.Image:
    title_font, label_font = font_for(title, TITLE_SIZE), ImageFont.load_default(LABEL_SIZE)
    cells = [max(panel.width, round(label_font.getlength(label))) for label, panel in panels]
    width = sum(cells) + MARGIN * (len(panels) + 1)
    title = wrapped(title, title_font, width - 2 * MARGIN)
    panels_top = MARGIN + (title.count("\n") + 1) * round(TITLE_SIZE * 1.3) + MARGIN // 2
    labels_top = panels_top + max(panel.height for _, panel in panels) + MARGIN // 2

    picture = Image.new("RGB", (width, labels_top + LABEL_SIZE + round(1.5 * MARGIN)), "white")
    draw = ImageDraw.Draw(picture)
    draw.multiline_text((MARGIN, MARGIN), title, fill=INK, font=title_font)
    left = MARGIN
    for cell, (label, panel) in zip(cells, panels, strict=True):
        picture.paste(panel, (left, panels_top))
        corner = (left + panel.width, panels_top + panel.height)
        draw.rectangle([(left - 1, panels_top - 1), corner], outline=BORDER)
        draw.text((left, labels_top), label, fill=GREY, font=label_font)
        left += cell + MARGIN
    return picture
