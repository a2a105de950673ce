"""Draws ``docs/pictures/photographs.png``: what the shipped miniature makes of photographs, plain and with ``--composite``.

``python scripts/screenshots/photographs.py`` takes scikit-image's photographs and half a minute on one core. The first row
is an edit by the words alone, the other two are inpainting: only the white of a mask may change.
"""

import sys
from pathlib import Path

import skimage
from PIL import Image, ImageDraw, ImageFont

from editmgt import Editor
from editmgt.editing.composite import with_detail

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
from composites import perfect_edit, shown, wanted_edits  # noqa: E402  a script, no package

SIDE, GAP, TEXT = 300, 8, 22
TITLES = ("photograph (mask outlined)", "edit: all of it through the codec", "edit with --composite")
EXAMPLES = (  # photograph, instruction, box that may change as shares of width and height
    ("coffee.png", "make the red circle blue", None),
    ("coffee.png", "make the red circle green", (0.08, 0.55, 0.9, 0.97)),
    ("chelsea.png", "add a large red circle", (0.02, 0.05, 0.32, 0.5)),
)


def row(editor: Editor, name: str, instruction: str, box: tuple[float, ...] | None) -> Image.Image:
    """Return one example: photograph, edit and composite beside each other, under what was asked for."""
    photo = Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB")
    corners = None if box is None else tuple(round(s * photo.size[i % 2]) for i, s in enumerate(box))
    mask, outlined = None, photo.copy()
    if corners is not None:
        mask = Image.new("L", photo.size)
        mask.paste(255, corners)
        ImageDraw.Draw(outlined).rectangle(corners, outline="white", width=3)
    plain, kept = (
        editor.edit(photo, instruction, mask=mask, composite=composite, region_hold=mask is None).images[0]
        for composite in (False, True)
    )
    said = f'"{instruction}"' + ("" if mask is None else " --mask mask.png --no-region-hold")
    return beside(said, outlined, plain, kept)


def beside(said: str, *pictures: Image.Image) -> Image.Image:
    """Return pictures beside each other, under a line."""
    height = round(SIDE * pictures[0].height / pictures[0].width)
    drawn = Image.new("RGB", (3 * SIDE + 2 * GAP, height + TEXT + GAP), "white")
    ImageDraw.Draw(drawn).text((0, 2), said, "black", ImageFont.load_default(14))
    for column, picture in enumerate(pictures):
        drawn.paste(picture.resize((SIDE, height), Image.Resampling.LANCZOS), (column * (SIDE + GAP), TEXT))
    return drawn


def perfect_row(editor: Editor) -> Image.Image:
    """Return what an editor that knew photographs would give at this size: the codes of the wanted picture."""
    photo = Image.open(Path(skimage.__file__).parent / "data" / "coffee.png").convert("RGB")
    name, source, wanted = next(wanted_edits(photo))
    edited, decoded, changed = perfect_edit(editor.codec, source, wanted, editor.settings.resolution)
    kept = shown(source, with_detail(source, edited, decoded), changed)
    return beside(
        f"an ellipse {name} by a perfect editor of the same size, for comparison", source, edited, kept
    )


def main() -> None:
    """Draw all rows under their titles."""
    editor = Editor.from_pretrained("tiny_editor")
    rows = [*(row(editor, *example) for example in EXAMPLES), perfect_row(editor)]
    page = Image.new("RGB", (rows[0].width, TEXT + sum(drawn.height for drawn in rows)), "white")
    for column, title in enumerate(TITLES):
        ImageDraw.Draw(page).text((column * (SIDE + GAP), 2), title, "black", ImageFont.load_default(14))
    top = TEXT
    for drawn in rows:
        page.paste(drawn, (0, top))
        top += drawn.height
    path = ROOT / "docs" / "pictures" / "photographs.png"
    path.parent.mkdir(exist_ok=True)
    page.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {page.width}x{page.height} pixels, {path.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
