#!/usr/bin/env bash
# wandb 0.31.0 no longer says which way is better: define_metric has lost goal= and summary="best", which 0.19.11 has, while the
# record that it writes still has the field. In both versions summary="last", the default spelled out, turns the summary's number
# into a mapping {"last": ...}, another column of a table of runs, and after finish() an offline run's summary is empty.
# Exits 1 if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for version in 0.19.11 0.31.0; do
    python3 -m venv "$work/$version"
    "$work/$version/bin/pip" install --quiet --quiet --quiet --disable-pip-version-check "wandb==$version" "numpy<2" "setuptools<80"
done

cat > "$work/look.py" <<'PY'
import json, sys, tempfile
import wandb
from wandb.proto import wandb_internal_pb2

run = wandb.init(project="p", mode="offline", dir=tempfile.mkdtemp())


def accepts(**options):
    try:
        run.define_metric("tried", **options)
        return True
    except (TypeError, wandb.Error) as error:
        print(wandb.__version__, options, type(error).__name__, error)
        return False


run.define_metric("asked", summary="last")
for value in (1.0, 3.0, 2.0):
    run.log({"asked": value, "left": value})
before = {name: run.summary[name] for name in ("asked", "left")}
before = {name: dict(value) if hasattr(value, "keys") else value for name, value in before.items()}
facts = {
    "goal": accepts(goal="maximize"),
    "best": accepts(summary="best"),
    "field": "goal" in wandb_internal_pb2.MetricRecord.DESCRIPTOR.fields_by_name,
    "summary": before,
}
run.finish()
facts["after"] = sorted(name for name in dict(run.summary) if not name.startswith("_"))
json.dump(facts, open(sys.argv[1], "w"), sort_keys=True)
PY
export WANDB_SILENT=true
for version in 0.19.11 0.31.0; do
    (cd "$work" && "$version/bin/python" look.py "$version.json")
    echo "$version: $(cat "$work/$version.json")"
done

holds() { if grep -qF -- "$3" "$work/$2.json"; then echo "holds: $1"; else echo "CHANGED: $1"; exit 1; fi; }
echo
holds "0.19.11 takes goal=" 0.19.11 '"goal": true'
holds "0.31.0 does not" 0.31.0 '"goal": false'
holds "0.19.11 takes summary=best" 0.19.11 '"best": true'
holds "0.31.0 does not" 0.31.0 '"best": false'
holds "0.31.0's record still has the field" 0.31.0 '"field": true'
holds "a number of which summary=last was asked is a mapping" 0.31.0 '"summary": {"asked": {"last": 2'
holds "the same number of which nothing was asked is a number" 0.31.0 '"left": 2}'
holds "an offline run's summary is empty after finish()" 0.31.0 '"after": []'
