"""Draws ``shown.png``: held-out pairs before and after, and the whole photograph: ``python experiments/own_pairs/show.py pairs RUN``.

``pairs`` is what ``make_pairs.py`` wrote of photographs, RUN the training's directory.
"""

import sys
from pathlib import Path

import skimage
from make_pairs import INSTRUCTION, PHOTOGRAPHS
from PIL import Image

from editmgt import Editor

SIDE, GAP = 160, 6
SHOWN = ("0003", "0007", "0012")


def main(pairs: Path, run: Path) -> None:
    """Columns: source, wanted, ``tiny_editor``'s edit, with the LoRA; below the photograph and its composite."""
    editors = [Editor.from_pretrained(name) for name in ("tiny_editor", run / "checkpoints" / "editor")]
    rows = []
    for name in SHOWN:
        source, wanted = (
            Image.open(pairs / "test" / folder / f"{name}.png") for folder in ("source", "target")
        )
        rows.append([source, wanted, *(editor.edit(source, INSTRUCTION).images[0] for editor in editors)])
    width = 4 * SIDE + 3 * GAP
    photo = Image.open(Path(skimage.__file__).parent / "data" / PHOTOGRAPHS["test"][0]).convert("RGB")
    half = (width - GAP) // 2, round((width - GAP) / 2 * photo.height / photo.width)
    page = Image.new("RGB", (width, len(rows) * (SIDE + GAP) + half[1]), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            page.paste(
                picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS), (x * (SIDE + GAP), y * (SIDE + GAP))
            )
    composite = editors[1].edit(photo, INSTRUCTION, composite=True).images[0]
    for x, picture in enumerate((photo, composite)):
        page.paste(
            picture.resize(half, Image.Resampling.LANCZOS), (x * (half[0] + GAP), len(rows) * (SIDE + GAP))
        )
    page.quantize(256, dither=Image.Dither.NONE).save(Path(__file__).parent / "shown.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
