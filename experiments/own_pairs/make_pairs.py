"""Makes pairs of photographs, of a kind of edit that ``tiny_editor`` has never seen: they stand for yours.

``python experiments/own_pairs/make_pairs.py DIR [PAIRS]`` writes ``DIR/train`` and ``DIR/test``, each with ``source/``,
``target/`` and ``instructions.jsonl``, as ``data=folder`` and ``benchmark=folder`` read them. Sources are crops of
scikit-image's photographs, targets the same in greys; the tests' photograph is in no training pair.
"""

import json
import random
import sys
from pathlib import Path

import skimage
from PIL import Image

INSTRUCTION = "turn the picture into a black and white photograph"
TRAIN = ("astronaut.png", "chelsea.png", "rocket.jpg", "motorcycle_left.png", "hubble_deep_field.jpg")
TEST = ("coffee.png",)
SIDES = (96, 256)  # pixels of a crop


def write(directory: Path, photographs: tuple[str, ...], pairs: int) -> None:
    """Write square crops of the photographs in turn, numbered, the same ones every time."""
    chance = random.Random(directory.name)
    opened = [
        Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB") for name in photographs
    ]
    lines = []
    for number in range(pairs):
        photo = opened[number % len(opened)]
        side = chance.randint(*SIDES)
        left, top = (chance.randint(0, length - side) for length in photo.size)
        source = photo.crop((left, top, left + side, top + side))
        for folder, picture in (("source", source), ("target", source.convert("L").convert("RGB"))):
            (directory / folder).mkdir(parents=True, exist_ok=True)
            picture.save(directory / folder / f"{number:04}.png")
        lines.append(json.dumps({"file": f"{number:04}", "instruction": INSTRUCTION, "type": "grey"}))
    (directory / "instructions.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    place, *more = sys.argv[1:]
    write(Path(place) / "train", TRAIN, int(more[0]) if more else 64)
    write(Path(place) / "test", TEST, 32)
