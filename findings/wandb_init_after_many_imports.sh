#!/usr/bin/env bash
# wandb 0.31.0 with pydantic 2.14.4: the more modules a program has imported, the longer its first wandb.init. It imports W&B's public
# API, whose classes take their field descriptions from their docstrings; for that pydantic asks inspect which module each frame
# belongs to, and inspect looks through all of sys.modules. Offline, without a server, the first run of a program with 4,000 small
# modules more (transformers, diffusers and lightning together have as many) takes twice the processor time (.8 for .4 s), a second one
# .04 s; with `import wandb.apis.public` before the others the first takes .13 s, a sixth. Exits 1 if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check 'wandb==0.31.0' 'pydantic==2.14.4'
mkdir many
for i in $(seq 4000); do : > "many/m$i.py"; done
cat > start.py <<'PY'
import importlib
import sys
import time

import wandb

if sys.argv[1] == "before":
    import wandb.apis.public
for i in range(4000 if sys.argv[1] != "few" else 0):
    importlib.import_module(f"many.m{i + 1}")
seconds = []
for _ in range(2):
    start = time.process_time()
    run = wandb.init(project="p", mode="offline", settings=wandb.Settings(console="off", disable_git=True))
    seconds.append(time.process_time() - start)
    run.finish()
print(*seconds)
PY
export WANDB_SILENT=true
env/bin/python - <<'PY'
import statistics
import subprocess
import sys


def measured(kind):
    run = subprocess.run([sys.executable, "start.py", kind], capture_output=True, text=True, check=True)
    return [float(number) for number in run.stdout.split()]


turns = {"few": [], "many": [], "before": []}
for _ in range(3):
    for kind, of in turns.items():
        of.append(measured(kind))
first = {kind: statistics.median(seconds[0] for seconds in of) for kind, of in turns.items()}
second = {kind: statistics.median(seconds[1] for seconds in of) for kind, of in turns.items()}
print("first run, seconds of processor time:", first)
print("second run:", second)
assert first["many"] > 1.4 * first["few"], "CHANGED: many modules no longer slow the first run down"
assert first["before"] < first["many"] / 2, "CHANGED: the public API imported first no longer helps"
assert second["many"] < first["many"] / 2, "CHANGED: the second run is slow, too"
print("as described")
PY
