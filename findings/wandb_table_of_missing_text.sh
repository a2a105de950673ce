#!/usr/bin/env bash
# wandb 0.31.0 with pandas 3: a Table made of a DataFrame in which a text is missing is written as a file that is not JSON. pandas 3 keeps text
# as its type "str", whose missing value is the float nan, and wandb writes it as the bare word NaN, where the same lines under
# pandas 2 (type "object", None) write null. Python's json reads the file; JSON.parse, jq, pyarrow and orjson do
# not. A missing number is the word NaN under both. What writes null under both is rows: Table(columns=..., data=...) of
# lists with None. Exits 1 if that changes.
#
# Seen (numpy 2.4.6; the row of a missing text and number, as it lies in the table's file; orjson reads it):
#   pandas 2.3.3, missing text: [null] True
#   pandas 2.3.3, missing number: [NaN] False
#   pandas 2.3.3, rows: [null] True
#   pandas 3.1.1, missing text: [NaN] False
#   pandas 3.1.1, missing number: [NaN] False
#   pandas 3.1.1, rows: [null] True
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/look.py" <<'PY'
import re
import sys
import tempfile
from pathlib import Path

import orjson
import pandas as pd
import wandb

TABLES = {
    "missing text": {"dataframe": pd.DataFrame({"instruction": ["add a hat", None]})},
    "missing number": {"dataframe": pd.DataFrame({"success": [1.0, None]})},
    "rows": {"columns": ["instruction"], "data": [["add a hat"], [None]]},
}
for name, table in TABLES.items():
    place = tempfile.mkdtemp(dir=sys.argv[1])
    with wandb.init(mode="offline", project="p", dir=place, settings=wandb.Settings(silent=True)) as run:
        run.log({"table": wandb.Table(**table)})
    (file,) = Path(place).rglob("*.table.json")
    text = file.read_text()
    try:
        orjson.loads(text)
        strict = True
    except orjson.JSONDecodeError:
        strict = False
    last = re.findall(r"\[[^\[\]]*\]", text)[-1]
    print(f"pandas {pd.__version__}, {name}: {last} {strict}")
PY
for version in 2.3.3 3.1.1; do
    python3 -m venv "$work/$version"
    "$work/$version/bin/pip" install --quiet --quiet --quiet --disable-pip-version-check \
        wandb==0.31.0 "pandas==$version" numpy==2.4.6 orjson==3.13.0
    "$work/$version/bin/python" "$work/look.py" "$work" >> "$work/seen"
done
cat "$work/seen"
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
