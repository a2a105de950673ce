"""Picture pages of the slices, ``SLICE.png`` beside this file for each: ``python experiments/robustness/pages.py``."""

import io
import textwrap
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from editmgt.benchmarks.slices import SLICES, SliceDataset
from editmgt.data.sample import EditSample

HERE = Path(__file__).resolve().parent
ROWS, COLUMNS = 4, 3
_PANEL, _GAP, _LINE = 96, 6, 14  # pixels
_COLORS = 64  # of the page: small files


def page(samples: list[EditSample]) -> bytes:
    """Draw each sample as source, target and other valid targets under its instruction; returns a PNG."""
    panels = 2 + max(len(sample.alternatives) for sample in samples)
    width, height = panels * (_PANEL + _GAP) + 2 * _GAP, _PANEL + 4 * _LINE + _GAP
    picture = Image.new("RGB", (COLUMNS * width, ROWS * height + _GAP), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(11)
    letters = int(width / font.getlength("n"))
    for index, sample in enumerate(samples[: ROWS * COLUMNS]):
        left, top = index % COLUMNS * width + _GAP, index // COLUMNS * height + _GAP
        lines = textwrap.wrap(sample.instruction, letters)
        draw.multiline_text((left, top), "\n".join(lines), fill="black", font=font)
        shown = [sample.source, sample.target, *(reading.target for reading in sample.alternatives)]
        for position, pixels in enumerate(shown):
            if pixels is not None:
                panel = Image.fromarray(pixels).resize((_PANEL, _PANEL), Image.Resampling.NEAREST)
                corner = (left + position * (_PANEL + _GAP), top + 3 * _LINE + _GAP)
                picture.paste(panel, corner)
                draw.rectangle([corner, (corner[0] + _PANEL, corner[1] + _PANEL)], outline=(205, 205, 210))
    buffer = io.BytesIO()
    picture.quantize(_COLORS).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    for name in SLICES:
        rows = SliceDataset(name)
        path = HERE / f"{name}.png"
        path.write_bytes(page([rows[i] for i in range(ROWS * COLUMNS)]))
        print(path)
