"""Makes pairs of a kind of edit that ``tiny_editor`` has never seen, in greys: they stand for yours.

``python experiments/own_pairs/make_pairs.py DIR drawings|photographs [PAIRS]`` writes ``DIR/train`` and ``DIR/test``, each
with ``source/``, ``target/``, ``masks/`` (all of it may change) and ``instructions.jsonl``, as ``data=folder`` and
``benchmark=folder`` read them. Drawings are scenes as the miniature knows them, photographs crops of scikit-image's;
no picture of the tests is in a training pair.
"""

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import skimage
from PIL import Image

from editmgt.data.scenes import SceneDataset

INSTRUCTION = "turn the picture into a black and white photograph"
PHOTOGRAPHS = {
    "train": ("astronaut.png", "chelsea.png", "rocket.jpg", "motorcycle_left.png", "hubble_deep_field.jpg"),
    "test": ("coffee.png",),
}
SIDES = (96, 256)  # pixels of a crop


def drawings(split: str, count: int) -> Iterator[Image.Image]:
    """Yield the first scenes of a split."""
    scenes = SceneDataset(split, size=count)
    yield from (Image.fromarray(scenes[number].source) for number in range(count))


def photographs(split: str, count: int) -> Iterator[Image.Image]:
    """Yield square crops of a split's photographs in turn, the same ones every time."""
    chance, folder = random.Random(split), Path(skimage.__file__).parent / "data"
    opened = [Image.open(folder / name).convert("RGB") for name in PHOTOGRAPHS[split]]
    for number in range(count):
        photo = opened[number % len(opened)]
        side = chance.randint(*SIDES)
        left, top = (chance.randint(0, length - side) for length in photo.size)
        yield photo.crop((left, top, left + side, top + side))


def write(directory: Path, sources: Iterator[Image.Image]) -> None:
    """Write a pair for every source, numbered."""
    lines = []
    for number, source in enumerate(sources):
        target, everywhere = source.convert("L").convert("RGB"), Image.new("L", source.size, 255)
        for folder, picture in (("source", source), ("target", target), ("masks", everywhere)):
            (directory / folder).mkdir(parents=True, exist_ok=True)
            picture.save(directory / folder / f"{number:04}.png")
        lines.append(json.dumps({"file": f"{number:04}", "instruction": INSTRUCTION, "type": "grey"}))
    (directory / "instructions.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    place, kind, *more = sys.argv[1:]
    make = {"drawings": drawings, "photographs": photographs}[kind]
    write(Path(place) / "train", make("train", int(more[0]) if more else 64))
    write(Path(place) / "test", make("test", 32))
