#!/usr/bin/env bash
# wandb 0.31.0: one undefined value of a metric is the end of its summary. After define_metric(..., summary="min"), "max" or "mean",
# a single NaN among the logged values makes the run's minimum, maximum or mean NaN, wherever it stands and whatever follows; so a
# score that one epoch's validation leaves undefined loses the best one of the whole training. None is left out instead, and the
# plain summary recovers with the next number. Exits 1 if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --quiet --quiet --disable-pip-version-check "wandb==0.31.0"

cat > "$work/look.py" <<'PY'
import math
import sys
import tempfile

import wandb

KINDS = ("min", "max", "mean")


def summary(values):
    """What a run's summary holds of a metric of each kind, and of one of which nothing was said."""
    run = wandb.init(project="p", mode="offline", dir=tempfile.mkdtemp())
    for kind in KINDS:
        run.define_metric(kind, summary=kind)
    for value in values:
        run.log({name: value for name in (*KINDS, "plain")})
    found = {kind: run.summary[kind][kind] for kind in KINDS} | {"plain": run.summary["plain"]}
    run.finish()
    print(wandb.__version__, values, found)
    return found


failed = []


def check(what, holds):
    print("holds:" if holds else "CHANGED:", what)
    failed.extend([] if holds else [what])


for values in ([1.0, math.nan, 2.0], [math.nan, 1.0, 2.0], [1.0, 2.0, math.nan]):
    found = summary(values)
    check(f"of {values} minimum, maximum and mean are NaN", all(math.isnan(found[kind]) for kind in KINDS))
check("the plain summary follows the last value", math.isnan(found["plain"]) and summary([math.nan, 2.0])["plain"] == 2)
check("None is left out", summary([1.0, None, 2.0]) == {"min": 1, "max": 2, "mean": 1.5, "plain": 2})
sys.exit(1 if failed else 0)
PY
WANDB_SILENT=true "$work/venv/bin/python" "$work/look.py"
