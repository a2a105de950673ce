#!/usr/bin/env bash
# wandb 0.31.0, offline: the files of an artifact are not in the run's folder, and where they are depends on the policy of add_file.
# By default (mutable) each is copied under the user's data folder and the run's file names that copy by its whole path, so a
# run's folder that is carried to a machine with a network has lost its artifacts. With policy="immutable" nothing is copied and
# the path is written down as it was given: a relative one is looked for from wherever `wandb sync` is started, so a file
# inside the run's folder, named from that folder, can be carried. use_artifact raises a TypeError offline.
# Exits 1 if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --quiet --quiet --disable-pip-version-check "wandb==0.31.0"
export WANDB_SILENT=true XDG_DATA_HOME="$work/data" WANDB_DATA_DIR="$work/data"
cat > "$work/look.py" <<'PY'
import time
from pathlib import Path

import wandb
from wandb.proto import wandb_internal_pb2

work = Path.cwd()


def records(path):
    """LevelDB's log format behind a header of 7 bytes."""
    data, at, part = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        part += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(part)
            part = b""
            yield record


run = wandb.init(project="p", mode="offline", dir=str(work))
folder = Path(run.dir).parent
(work / "weights.bin").write_bytes(b"weights")
for policy in ("mutable", "immutable"):
    artifact = wandb.Artifact(policy, "model")
    artifact.add_file("weights.bin", policy=policy)
    run.log_artifact(artifact)
try:
    run.use_artifact("mutable:latest")
    print("use_artifact: answers")
except TypeError as error:
    print("use_artifact:", error)
run.finish()
for _ in range(600):  # the last records are written a moment after finish() returns
    found = [*records(next(folder.glob("*.wandb")))]
    if any(record.WhichOneof("record_type") == "exit" for record in found):
        break
    time.sleep(0.1)
for record in found:
    kind = record.WhichOneof("record_type")
    if kind not in ("artifact", "request"):
        continue
    artifact = record.artifact if kind == "artifact" else record.request.log_artifact.artifact
    for entry in artifact.manifest.contents:
        place = Path(entry.local_path)
        inside = place.is_relative_to(folder)
        told = "absolute" if place.is_absolute() else f"as given, {place}"
        print(f"{artifact.name}: {told}, {'in' if inside else 'not in'} the run's folder")
print("copies in the run's folder:", len([*folder.rglob("weights.bin")]))
PY
(cd "$work" && venv/bin/python look.py) | tee "$work/seen"
holds() { if grep -qxF -- "$2" "$work/seen"; then echo "holds: $1"; else echo "CHANGED: $1"; exit 1; fi; }
echo
holds "a mutable file is named by an absolute path elsewhere" "mutable: absolute, not in the run's folder"
holds "an immutable file is named as it was given" "immutable: as given, weights.bin, not in the run's folder"
holds "the run's folder has neither" "copies in the run's folder: 0"
holds "use_artifact refuses by a TypeError" "use_artifact: Cannot use artifact when in offline mode."
