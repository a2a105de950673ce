#!/usr/bin/env bash
# torchmetrics 1.9.0: a score map that was resized bicubically to its mask is taken for logits. Bicubic resizing goes a little below 0 and
# over 1; one such pixel is enough for binary_jaccard_index, binary_accuracy, F1 and the calibration error to put the whole
# map through a sigmoid, which moves every score of [0, 1] over the threshold of .5: IoU of one and the same map .286,
# clamped to [0, 1] .980. Nothing is said. Nearest and bilinear resizing stay inside, and AUROC reads the order
# alone, so a study that reports AUROC and IoU of its maps sees one of them right. A batch is judged as one, samplewise scores
# too: a map that stays inside scores otherwise beside one that does not. Exits 1 if that changes.
#
# Seen (torch 2.14.1; IoU, accuracy, calibration error, AUROC; behind the bar clamped to [0, 1]):
#   nearest [0.05, 1.0] 1.0 1.0 0.049 1.0 | 1.0 1.0 0.049 1.0
#   bilinear [0.05, 0.994] 0.977 0.994 0.1 1.0 | 0.977 0.994 0.1 1.0
#   bicubic [-0.061, 1.166] 0.286 0.375 0.428 1.0 | 0.98 0.995 0.077 1.0
#   accuracy of the first map, samplewise: alone 1, beside the third 0.25
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --quiet --quiet --disable-pip-version-check torch==2.14.1 numpy==2.4.6 torchmetrics==1.9.0
cat > "$work/look.py" <<'PY'
import torch
import torch.nn.functional as F
from torchmetrics.functional.classification import (
    binary_accuracy,
    binary_auroc,
    binary_calibration_error,
    binary_jaccard_index,
)

MEASURES = (binary_jaccard_index, binary_accuracy, binary_calibration_error, binary_auroc)
mask = torch.zeros(64, 64, dtype=torch.long)
mask[16:48, 16:48] = 1
map_of_cells = torch.full((8, 8), 0.05)
map_of_cells[2:6, 2:6] = 0.95
map_of_cells[3, 3] = 1.0


def resized(mode: str) -> torch.Tensor:
    return F.interpolate(map_of_cells[None, None], (64, 64), mode=mode)[0, 0]


def seen(scores: torch.Tensor) -> str:
    return " ".join(str(round(measure(scores.flatten(), mask.flatten()).item(), 3)) for measure in MEASURES)


for mode in ("nearest", "bilinear", "bicubic"):
    scores = resized(mode)
    ends = [round(end.item(), 3) for end in scores.aminmax()]
    print(mode, ends, seen(scores), "|", seen(scores.clamp(0, 1)))
both = torch.stack([resized("nearest"), resized("bicubic")])
alone, beside = (
    binary_accuracy(maps, torch.stack([mask] * len(maps)), multidim_average="samplewise").flatten()[0].item()
    for maps in (both[:1], both)
)
print(f"accuracy of the first map, samplewise: alone {alone:.3g}, beside the third {beside:.3g}")
PY
"$work/venv/bin/python" "$work/look.py" > "$work/seen"
cat "$work/seen"
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
