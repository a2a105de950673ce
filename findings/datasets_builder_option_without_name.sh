#!/usr/bin/env bash
# datasets 5.2.0: a data set whose card names several configurations, loaded without a name, ends in "Config name is missing."
# and the list of names to choose from. Give any option of the reader as well (columns=[...] or batch_size=... for parquet,
# to read less) and the same mistake ends in "At least one data file must be specified, but got data_files=None": it speaks of
# files, which are there, and names no configuration. The option makes a configuration of its own that has no files. With a
# name the same option works.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install -q 'datasets==5.2.0' 'pyarrow==26.0.1'
mkdir -p pairs/one pairs/two
cat > pairs/README.md <<'MD'
---
configs:
- config_name: one
  data_files: one/train.parquet
- config_name: two
  data_files: two/train.parquet
---
MD
HF_HUB_OFFLINE=1 env/bin/python - <<'PY'
import datasets
import pyarrow as pa
import pyarrow.parquet as pq

datasets.disable_progress_bars()
print("datasets", datasets.__version__)
for name, rows in (("one", [1, 2]), ("two", [3, 4, 5])):
    pq.write_table(pa.table({"a": rows, "b": ["unused"] * len(rows)}), f"pairs/{name}/train.parquet")


def load(**options):
    try:
        return datasets.load_dataset("pairs", split="train", cache_dir="cache", **options)[:]
    except ValueError as error:
        return str(error)


plain = load()
print("no name:", plain)
assert plain.startswith("Config name is missing.") and "'one'" in plain, "CHANGED: without a name and an option"
for option in ({"columns": ["a"]}, {"batch_size": 10}):
    said = load(**option)
    print(f"no name, {option}:", said)
    assert said == "At least one data file must be specified, but got data_files=None", f"CHANGED: with {option}"
named = load(name="two", columns=["a"])
print("name='two', columns=['a']:", named)
assert named == {"a": [3, 4, 5]}, "CHANGED: with a name"
print("as described")
PY
