#!/usr/bin/env bash
# torchmetrics 1.9.0: what a score is where it is not defined depends on which of its functions is asked, and mostly it is a number.
# A picture in which nothing changes has an empty mask: AUROC answers 0.0, which is worse than guessing, and with `thresholds=`
# does so without the warning; average precision -0.0; where the mask is the whole picture AUROC is 0.0 again and average
# precision 1.0. An empty mask that is met by an empty prediction, which is right, has an F1 and an IoU of 0.0 and
# a generalised Dice of 0.0, but a Dice and a mean IoU of NaN, although Dice is F1. So a mean over pictures counts such a
# picture as the worst there is, or is NaN. zero_division=1 gives F1 and IoU of the two empty ones 1; AUROC has no such
# argument. Exits 1 if that changes.
#
# Seen (torch 2.14.1; behind each value whether it warned):
#   empty mask: auroc 0.0 warned, auroc with thresholds 0.0 silent, average precision -0.0 warned, with thresholds -0.0 silent
#   full mask: auroc 0.0 warned, auroc with thresholds 0.0 silent, average precision 1.0 silent, with thresholds 1.0 silent
#   empty mask and prediction: f1 0.0 silent, iou 0.0 silent, dice nan silent, mean iou nan silent, generalised dice 0.0 silent
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --quiet --quiet --disable-pip-version-check torch==2.14.1 numpy==2.4.6 torchmetrics==1.9.0
cat > "$work/look.py" <<'PY'
import warnings

import torch
from torchmetrics.functional.classification import (
    binary_auroc,
    binary_average_precision,
    binary_f1_score,
    binary_jaccard_index,
)
from torchmetrics.functional.segmentation import dice_score, generalized_dice_score, mean_iou

scores = torch.rand(64, generator=torch.Generator().manual_seed(0))
nothing = torch.zeros(64, dtype=torch.long)
one_class = nothing.view(1, 1, 8, 8)
RANKING = {"auroc": binary_auroc, "average precision": binary_average_precision}
OVERLAP = {"dice": dice_score, "mean iou": mean_iou, "generalised dice": generalized_dice_score}


def seen(measure, *values, **options) -> str:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        answer = measure(*values, **options).item()
    return f"{answer} {'warned' if said else 'silent'}"


for name, mask in (("empty", nothing), ("full", nothing + 1)):
    told = []
    for label, measure in RANKING.items():
        told.append(f"{label} {seen(measure, scores, mask)}")
        label = f"{label} with thresholds" if label == "auroc" else "with thresholds"
        told.append(f"{label} {seen(measure, scores, mask, thresholds=20)}")
    print(f"{name} mask:", ", ".join(told))
told = [f"f1 {seen(binary_f1_score, nothing, nothing)}", f"iou {seen(binary_jaccard_index, nothing, nothing)}"]
for label, measure in OVERLAP.items():
    told.append(f"{label} {seen(measure, one_class, one_class, num_classes=1, input_format='one-hot')}")
print("empty mask and prediction:", ", ".join(told))
PY
"$work/venv/bin/python" "$work/look.py" > "$work/seen"
cat "$work/seen"
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
