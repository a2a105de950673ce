#!/usr/bin/env bash
# datasets 5.2.0: a picture that map's function changes in place (paste, ImageDraw, thumbnail) comes out as it was, if the picture
# was read from a file of its own, and changed, if its bytes lie in the table. So one and the same function cuts holes, or makes
# pictures smaller, for a data set that has been through save_to_disk, and does nothing for the folder of pictures it was made
# from; nothing is said. The writer takes a Pillow image that still knows its file name for that file, and stores the name.
# A generator that opens, changes and yields pictures loses the changes in the same way. What helps is any step that makes
# another image of it: copy(), convert("RGB"), resize() in place of thumbnail(). Exits 1 if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --quiet --disable-pip-version-check 'datasets==5.2.0' 'pyarrow==26.0.1' 'pillow==12.3.0'
mkdir pictures
HF_HUB_OFFLINE=1 env/bin/python - <<'PY'
import datasets
import PIL
from PIL import Image, ImageDraw

datasets.disable_progress_bars()
print("datasets", datasets.__version__, "pillow", PIL.__version__)
Image.new("RGB", (64, 64), "white").save("pictures/white.png")
folder = datasets.load_dataset("imagefolder", data_dir="pictures", split="train", cache_dir="cache")
folder.save_to_disk("saved")
saved = datasets.load_from_disk("saved")


def paste(row):
    row["image"].paste("black", (0, 0, 32, 32))
    return row


def draw(row):
    ImageDraw.Draw(row["image"]).rectangle((0, 0, 31, 31), fill="black")
    return row


def thumbnail(row):
    row["image"].thumbnail((16, 16))
    return row


def copy_and_paste(row):
    return paste({"image": row["image"].copy()})


def generate():
    yield paste({"image": Image.open("pictures/white.png")})


def changed(data):
    image = data[0]["image"]
    return image.size != (64, 64) or image.getpixel((0, 0)) != (255, 255, 255)


found = {}
for function in (paste, draw, thumbnail, copy_and_paste):
    for name, data in (("a folder of pictures", folder), ("the same, saved", saved)):
        found[function.__name__, name] = changed(data.map(function, load_from_cache_file=False))
generated = datasets.Dataset.from_generator(
    generate, features=datasets.Features({"image": datasets.Image()}), cache_dir="cache"
)
found["paste", "a generator"] = changed(generated)
for (function, name), is_changed in found.items():
    print(f"{function:15} {name:21} {'changed' if is_changed else 'as it was'}")
lost = {key for key, is_changed in found.items() if not is_changed}
expected = {(name, "a folder of pictures") for name in ("paste", "draw", "thumbnail")} | {("paste", "a generator")}
assert lost == expected, "CHANGED: other changes are lost"
PY
