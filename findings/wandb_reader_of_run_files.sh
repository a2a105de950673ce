#!/usr/bin/env bash
# wandb 0.31.0 has no reader of its own run files in Python any more: wandb.sdk.internal.datastore, by which tools read what an
# offline run holds (run-ID.wandb), is in 0.19.11 and not in 0.31.0. The records' definitions (wandb.proto) are still there,
# so a reader of the log format (7 bytes of header, blocks of 32768 bytes) gets the same records. Exits 1 if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for version in 0.19.11 0.31.0; do
    python3 -m venv "$work/$version"
    "$work/$version/bin/pip" install --quiet --quiet --quiet --disable-pip-version-check "wandb==$version" "numpy<2" "setuptools<80"
done
cat > "$work/look.py" <<'PY'
from importlib.util import find_spec

import wandb


def there(name):
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # a parent is gone
        return False


for name in ("wandb.sdk.internal.datastore", "wandb.proto.wandb_internal_pb2"):
    print(wandb.__version__, name, "there" if there(name) else "gone")
PY
for version in 0.19.11 0.31.0; do "$work/$version/bin/python" "$work/look.py"; done | tee "$work/seen"
diff "$work/seen" - <<'SEEN'
0.19.11 wandb.sdk.internal.datastore there
0.19.11 wandb.proto.wandb_internal_pb2 there
0.31.0 wandb.sdk.internal.datastore gone
0.31.0 wandb.proto.wandb_internal_pb2 there
SEEN
