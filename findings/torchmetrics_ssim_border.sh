#!/usr/bin/env bash
# torchmetrics' SSIM is another number since 1.4.2: it averages over the mirrored border, which was left out before.
#
# Versions: torchmetrics 1.4.1, 1.4.2 and 1.9.0 (torch 2.14.1), scikit-image 0.26.0.
# Behaviour: structural_similarity_index_measure(a, b, data_range=1.0) of one and the same pair of pictures. Up to 1.4.1
#   the map's outer 5 pixels on each side, where the 11x11 window sees padding, do not count, as in scikit-image; from
#   1.4.2 on they do. A change in the middle looks smaller to the later versions and one at the rim larger, so numbers of
#   a protocol that pins no version (as many of 2023) do not compare with today's.
# Output: see the last lines. Exits with 1 where this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.14.1 scikit-image==0.26.0 "setuptools<81" torchmetrics==1.4.1
cat > "$folder/ssim.py" <<'PYTHON'
import json
import sys

import torch
import torchmetrics
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import structural_similarity_index_measure

y, x = torch.meshgrid(torch.arange(64) / 64, torch.arange(64) / 64, indexing="ij")
before = torch.stack([x, y, (x + y) / 2])[None]
found = {}
for place, (top, left) in {"middle": (24, 24), "rim": (0, 24)}.items():
    after = before.clone()
    after[..., top : top + (16 if place == "middle" else 4), left : left + 16] = 0.9
    theirs = structural_similarity_index_measure(before, after, data_range=1.0).item()
    skimage = structural_similarity(
        before[0].double().numpy(), after[0].double().numpy(), data_range=1.0, channel_axis=0,
        gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    )
    found[place] = [theirs, float(skimage)]
    print(f"torchmetrics {torchmetrics.__version__}, a change in the {place}: {theirs:.4f}; scikit-image {skimage:.4f}")
border_out = all(abs(theirs - skimage) < 1e-3 for theirs, skimage in found.values())
expected = sys.argv[1] == "out"
assert border_out == expected, f"the border is {'left out' if border_out else 'counted'} in this version"
PYTHON
"$folder/venv/bin/python" "$folder/ssim.py" out
for version in 1.4.2 1.9.0; do
    "$folder/venv/bin/pip" install --quiet --no-deps "torchmetrics==$version"
    "$folder/venv/bin/python" "$folder/ssim.py" counted
done
echo "as described"
