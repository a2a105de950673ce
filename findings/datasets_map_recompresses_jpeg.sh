#!/usr/bin/env bash
# datasets 5.2.0: a map whose function only looks at a JPEG picture, to add its width, say, compresses the picture anew, at
# Pillow's default quality of 75, where the bytes lie in the table (parquet from the hub, save_to_disk). Every column of the row
# that was read is written back, and what was read is pixels. A source and a target that were the same outside an edit's mask
# then differ everywhere, once one of them was looked at, and training sees the blocks of the compression. A photo that its EXIF
# data turns upright comes back as PNG, several times as large. Nothing is said, and a function that does not read the
# column leaves its bytes alone. What helps: map(..., input_columns=["image"]) hands over the same pixels and keeps the bytes;
# so do filter, and cast_column to Image(decode=False) before the map. Exits 1 if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --quiet --disable-pip-version-check 'datasets==5.2.0' 'pyarrow==26.0.1' 'pillow==12.3.0' 'numpy==2.4.6'
HF_HUB_OFFLINE=1 env/bin/python - <<'PY'
import io

import datasets
import numpy as np
import PIL
from PIL import Image

datasets.disable_progress_bars()
print("datasets", datasets.__version__, "pillow", PIL.__version__)
y, x = np.mgrid[0:256, 0:256]
waves = [128 + 60 * np.sin(x / 9 + k) + 40 * np.cos(y / (5 + k)) for k in range(3)]
picture = Image.fromarray((np.stack(waves, -1) + np.random.default_rng(0).normal(0, 6, (256, 256, 3))).clip(0, 255).astype("uint8"))


def table(exif=None):
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=95, exif=exif or Image.Exif())
    features = datasets.Features({"image": datasets.Image(), "id": datasets.Value("int64")})
    row = {"image": [{"bytes": buffer.getvalue(), "path": "photo.jpg"}], "id": [0]}
    return datasets.Dataset.from_dict(row, features=features), buffer.getvalue()


def stored(data):
    return data.with_format("arrow")[0]["image"][0].as_py()["bytes"]


def look(row):
    return {"width": row["image"].width}


plain, before = table()
undecoded = plain.cast_column("image", datasets.Image(decode=False))
again = {"load_from_cache_file": False}
ways = {
    "map, the picture not read": plain.map(lambda row: {"width": row["id"]}, **again),
    "map, its width read": plain.map(look, **again),
    "map, batched": plain.map(lambda rows: {"width": [i.width for i in rows["image"]]}, batched=True, **again),
    "map, input_columns": plain.map(lambda image: {"width": image.width}, input_columns=["image"], **again),
    "map, decode=False": undecoded.map(lambda row: {"width": len(row["image"]["bytes"])}, **again),
    "filter by width": plain.filter(lambda row: row["image"].width > 8, **again),
}
kept = {}
at_75 = io.BytesIO()
picture.save(at_75, "JPEG", quality=75)
for way, data in ways.items():
    after = stored(data)
    kept[way] = after == before
    said = "the same bytes"
    if not kept[way]:
        error = np.asarray(Image.open(io.BytesIO(after)), float) - np.asarray(Image.open(io.BytesIO(before)), float)
        said = f"other bytes, {10 * np.log10(255**2 / (error**2).mean()):.1f} dB from the first"
        tables = [Image.open(io.BytesIO(data)).quantization for data in (after, at_75.getvalue())]
        assert tables[0] == tables[1], "CHANGED: another quality"
    print(f"{way:26} {len(before)} -> {len(after)} bytes: {said}")
exif = Image.Exif()
exif[0x0112] = 6  # orientation: to be turned by a quarter
turned, before = table(exif)
after = stored(turned.map(look, **again))
print(f"a turned photo, width read {len(before)} -> {len(after)} bytes: {Image.open(io.BytesIO(after)).format}")
assert [way for way in kept if not kept[way]] == ["map, its width read", "map, batched"], "CHANGED: other ways keep the bytes"
assert Image.open(io.BytesIO(after)).format == "PNG" and len(after) > 2 * len(before), "CHANGED: a turned photo"
PY
