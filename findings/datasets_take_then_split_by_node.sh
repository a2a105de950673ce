#!/usr/bin/env bash
# datasets 5.2.0: of a stream, take(n) or skip(n) and split_dataset_by_node give rows that depend on the number of nodes. Where the
# files divide evenly among the nodes, each node gets files of its own, and take(n) is carried out there, of n divided by the number of
# nodes: two nodes of two files read the first rows of each file, not the first n rows of the stream; skip(n) likewise leaves the
# first rows of each file out. Where they do not divide evenly, each node passes over the others' rows, and together the nodes read the
# first n. So a run on one process and one on two learn from other rows, and so does one after its files were written anew. To split first
# and take then is no way out: two nodes then read n rows each, but three nodes of two files n together.
# What helps: every nodes-th row of the stream after take, by hand (itertools.islice(stream, node, None, nodes)).
# Exits 1 if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --quiet --disable-pip-version-check 'datasets==5.2.0' 'pyarrow==26.0.1'
HF_HUB_OFFLINE=1 env/bin/python - <<'PY'
import os
from itertools import islice

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from datasets.distributed import split_dataset_by_node

print("datasets", datasets.__version__)
for file in range(2):
    pq.write_table(pa.table({"id": range(10 * file, 10 * file + 10)}), f"{file}.parquet")
stream = datasets.load_dataset("parquet", data_files=["0.parquet", "1.parquet"], split="train", streaming=True)


def read(nodes, made):
    return sorted(row["id"] for node in range(nodes) for row in made(node, nodes))


ways = {
    "take, then split": lambda node, nodes: split_dataset_by_node(stream.take(6), node, nodes),
    "split, then take": lambda node, nodes: split_dataset_by_node(stream, node, nodes).take(6),
    "skip, then split": lambda node, nodes: split_dataset_by_node(stream.skip(14), node, nodes),
    "take, then islice": lambda node, nodes: islice(stream.take(6), node, None, nodes),
}
found = {}
for name, made in ways.items():
    for nodes in (1, 2, 3):
        found[name, nodes] = read(nodes, made)
        print(f"{name}, {nodes} nodes: {found[name, nodes]}")
first, last = [*range(6)], [*range(14, 20)]
wanted = {
    "take, then split": (first, [0, 1, 2, 10, 11, 12], first),
    "split, then take": (first, [*range(6), *range(10, 16)], first),
    "skip, then split": (last, [7, 8, 9, 17, 18, 19], last),
    "take, then islice": (first, first, first),
}
for name, rows in wanted.items():
    assert tuple(found[name, nodes] for nodes in (1, 2, 3)) == rows, f"CHANGED: {name}"
print("as described", flush=True)
os._exit(0)
PY
