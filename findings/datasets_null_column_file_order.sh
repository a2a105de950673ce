#!/usr/bin/env bash
# datasets 5.2.0, parquet: a column that holds nothing in one file has arrow's type null there (pandas and pyarrow write it so:
# masks or captions that one shard's rows happen to lack). Whether such a data set can be read depends on the names of its
# files: their order decides whose schema counts. If the full file comes first, the other's rows read as None; if the empty one
# does, reading stops with "Couldn't cast array of type binary to null", streamed or not. pyarrow's concat_tables reads both orders
# with promote_options="permissive".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install -q 'datasets==5.2.0' 'pyarrow==26.0.1'
HF_HUB_OFFLINE=1 env/bin/python - <<'PY'
import datasets
import pyarrow as pa
import pyarrow.parquet as pq

datasets.disable_progress_bars()
print("datasets", datasets.__version__, "pyarrow", pa.__version__)
pq.write_table(pa.table({"id": [1], "mask": pa.nulls(1)}), "empty.parquet")
pq.write_table(pa.table({"id": [2], "mask": pa.array([b"png"], pa.binary())}), "full.parquet")
WANTED = {1: None, 2: b"png"}


def load(files, streaming):
    try:
        rows = datasets.load_dataset(
            "parquet", data_files=files, split="train", cache_dir="cache", streaming=streaming
        )
        return {row["id"]: row["mask"] for row in rows}
    except (TypeError, datasets.exceptions.DatasetGenerationError) as error:
        return str(error.__cause__ or error)


for streaming in (False, True):
    good = load(["full.parquet", "empty.parquet"], streaming)
    bad = load(["empty.parquet", "full.parquet"], streaming)
    print(f"streaming={streaming}: full first {good}; empty first: {bad}")
    assert good == WANTED, "CHANGED: full first"
    assert bad == "Couldn't cast array of type binary to null", "CHANGED: empty first"
tables = [pq.read_table(name) for name in ("empty.parquet", "full.parquet")]
both = pa.concat_tables(tables, promote_options="permissive").to_pydict()
assert dict(zip(both["id"], both["mask"])) == WANTED, "CHANGED: pyarrow"
print("pyarrow, permissive, empty first:", both)
print("as described")
PY
