#!/usr/bin/env bash
# datasets 5.2.0: a shuffled stream of parquet files, or of one, sleeps for five seconds whenever it ends: after every epoch, and
# when one takes its first row and leaves it. (Its workaround of apache/arrow#45214, datasets.config.SLEEP_TIME_ON_THREADS_SHUTDOWN.)
# The same rows in order, or shuffled from JSON lines, do not: a training on a small stream spends its time there, and a test that
# opens a few streams takes minutes. Exits 1 if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --quiet --disable-pip-version-check 'datasets==5.2.0' 'pyarrow==26.0.1'
HF_HUB_OFFLINE=1 env/bin/python - <<'PY'
import json
import time
from itertools import islice

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

datasets.disable_progress_bars()
print("datasets", datasets.__version__, "pyarrow", pa.__version__)
for part in range(4):
    rows = {"id": [*range(4 * part, 4 * part + 4)]}
    pq.write_table(pa.table(rows), f"{part}.parquet")
    with open(f"{part}.jsonl", "w") as file:
        file.writelines(json.dumps({"id": i}) + "\n" for i in rows["id"])


def seconds(kind, files, shuffle, take=None):
    stream = datasets.load_dataset(kind, data_files=files, split="train", streaming=True, cache_dir="cache")
    stream = stream.shuffle(seed=0, buffer_size=10) if shuffle else stream
    begin = time.monotonic()
    rows = iter(stream)
    found = [row["id"] for row in islice(rows, take)]
    del rows
    taken = time.monotonic() - begin
    print(f"{taken:5.1f} s  {len(files)} {kind} files, {'shuffled' if shuffle else 'in order'}, {len(found)} rows")
    return taken


parquet, lines = ([f"{part}.{end}" for part in range(4)] for end in ("parquet", "jsonl"))
seconds("parquet", parquet, False)  # what the first stream imports
slow = [
    seconds("parquet", parquet, True),
    seconds("parquet", parquet, True, take=1),
    seconds("parquet", parquet[:1], True),
]
fast = [seconds("parquet", parquet, False), seconds("json", lines, True)]
assert min(slow) >= 5 > max(fast) + 2, "CHANGED"
print("holds: only shuffled parquet sleeps, of one file too, and also after its first row")
PY
