#!/usr/bin/env bash
# wandb 0.29.0 and later: a picture of floats from 0 to 1, or a mask of booleans, is logged as an (all but) black one. Up to 0.28.2
# wandb.Image multiplied what lies within 0 and 1 by 255, moved what lies within -1 and 1 there, and clipped the rest; 0.29.0
# casts to uint8 and does nothing else. That it would end was only said of values below 0 or above 255, so the usual
# picture of 0 to 1 got no warning before and gets none now: the same training code logs validation pictures that look like
# a collapsed model, and an integer of 260 wraps around to 4. Lightning's WandbLogger.log_image hands its pictures on as they
# are. What helps in every version: uint8 from 0 to 255, or a Pillow image. Exits 1 if that changes.
#
# Seen (the grey values of a picture of 0, 1/4, 1/2 and 1; of a mask; of 0, 128 and 260):
#   0.28.2 fractions [0, 63, 127, 255] mask [0, 255] sum [0, 128, 255] bytes [0, 63, 127, 255]; warned of: sum
#   0.29.0 fractions [0, 1] mask [0, 1] sum [0, 4, 128] bytes [0, 63, 127, 255]; warned of: nothing
#   0.31.0 fractions [0, 1] mask [0, 1] sum [0, 4, 128] bytes [0, 63, 127, 255]; warned of: nothing
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for version in 0.28.2 0.29.0 0.31.0; do
    python3 -m venv "$work/$version"
    "$work/$version/bin/pip" install --quiet --quiet --quiet --disable-pip-version-check "wandb==$version" "numpy==2.4.6" "pillow==12.3.0"
done
cat > "$work/look.py" <<'PY'
from unittest import mock

import numpy as np
import wandb

fractions = np.array([[0.0, 0.25], [0.5, 1.0]], np.float32)
pictures = {
    "fractions": fractions,
    "mask": fractions > 0.4,
    "sum": np.array([[0, 128], [128, 260]]),
    "bytes": (fractions * 255).astype(np.uint8),
}
seen, warned = [], []
for name, values in pictures.items():
    with mock.patch.object(wandb, "termwarn") as said:
        logged = wandb.Image(values).image
    seen.append(f"{name} {np.unique(np.asarray(logged)).tolist()}")
    if said.called:
        warned.append(name)
print(wandb.__version__, *seen, end="; ")
print("warned of:", *(warned or ["nothing"]))
PY
cd "$work"
for version in 0.28.2 0.29.0 0.31.0; do "$version/bin/python" look.py; done | tee seen
diff seen - <<'SEEN' || { echo "CHANGED: other pictures are logged"; exit 1; }
0.28.2 fractions [0, 63, 127, 255] mask [0, 255] sum [0, 128, 255] bytes [0, 63, 127, 255]; warned of: sum
0.29.0 fractions [0, 1] mask [0, 1] sum [0, 4, 128] bytes [0, 63, 127, 255]; warned of: nothing
0.31.0 fractions [0, 1] mask [0, 1] sum [0, 4, 128] bytes [0, 63, 127, 255]; warned of: nothing
SEEN
