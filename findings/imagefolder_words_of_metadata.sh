#!/usr/bin/env bash
# datasets 5.2.0, imagefolder: one table of edit pairs says other things as metadata.csv than as metadata.jsonl. From CSV an instruction
# that is the word None, null, NA or n/a is no instruction but a missing one, and a column of digits (identifiers such as 007) loses its
# zeros; with one of those words among them the digits become fractions, 7.0. From JSON lines all stay texts. An empty cell of
# a picture's column (mask_file_name: no mask for this pair) is None in both. Asked for as text (features=), the column of digits
# keeps its zeros and the words are lost all the same. Exits 1 if that changes.
#
# Seen (pyarrow 26.0.1, pandas 3.1.1):
#   csv id [7.0, None, 9.0]
#   csv instruction ['None', 'add a hat', 'n/a'] read as [None, 'add a hat', None]
#   csv mask [True, False, True]
#   jsonl id ['007', 'NA', '009']
#   jsonl instruction ['None', 'add a hat', 'n/a'] read as ['None', 'add a hat', 'n/a']
#   jsonl mask [True, False, True]
#   csv with features asked for, id ['007', None, '009']
set -euo pipefail
self=$(realpath "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --quiet --quiet --disable-pip-version-check datasets==5.2.0 pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6 pillow==12.3.0
cat > look.py <<'PY'
import csv
import json
from pathlib import Path

import datasets
from PIL import Image

datasets.disable_progress_bars()
rows = [
    {
        "source_file_name": f"{i}_source.png",
        "target_file_name": f"{i}_target.png",
        "mask_file_name": None if i == 1 else f"{i}_mask.png",
        "id": ("007", "NA", "009")[i],
        "instruction": ("None", "add a hat", "n/a")[i],
    }
    for i in range(3)
]
for kind in ("csv", "jsonl"):
    place = Path(kind)
    place.mkdir()
    for row in rows:
        for name in (row["source_file_name"], row["target_file_name"], row["mask_file_name"]):
            if name is not None:
                Image.new("RGB", (8, 8)).save(place / name)
    with (place / f"metadata.{kind}").open("w") as file:
        if kind == "csv":
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    read = datasets.load_dataset("imagefolder", data_dir=str(place.resolve()), split="train", cache_dir="cache")
    print(kind, "id", read["id"][:])
    print(kind, "instruction", [row["instruction"] for row in rows], "read as", read["instruction"][:])
    print(kind, "mask", [mask is not None for mask in read["mask"]])
texts = datasets.Features(read.features)
read = datasets.load_dataset(
    "imagefolder", data_dir=str(Path("csv").resolve()), split="train", cache_dir="cache", features=texts
)
print("csv with features asked for, id", read["id"][:])
PY
HF_HUB_OFFLINE=1 env/bin/python look.py > seen
cat seen
diff seen <(sed -n 's/^#   //p' "$self")
