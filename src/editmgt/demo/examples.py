"""Rendered scenes to try the page with, one for each of the commonest edits, whose instruction fits."""

from pathlib import Path

from PIL import Image

from editmgt.data.scenes import SceneDataset
from editmgt.editing.picture import fit
from editmgt.editing.picture_files import png

_CHOSEN = {
    "add": 15,
    "recolour": 17,
    "remove": 49,
    "replace": 1,
    "move": 42,
    "background": 9,
}  # of the test split


def write_scenes(folder: Path) -> list[tuple[Path, Path, str]]:
    """Write the scenes: for each its file, a view of it, and its instruction."""
    folder.mkdir()
    scenes = SceneDataset("test")
    written = []
    for name, index in _CHOSEN.items():
        sample = scenes[index]
        picture = Image.fromarray(sample.source)
        file, view = folder / f"scene-{name}.png", folder / f"scene-{name}_view.png"
        file.write_bytes(png(picture))
        view.write_bytes(png(fit(picture, 256)))
        written.append((file, view, sample.instruction))
    return written
