#!/usr/bin/env bash
# open_clip builds another network from the same weights when they are given as a file: the tag says which activation
# they were trained with, a file does not, and nothing warns.
#
# Version: open_clip_torch 3.3.0 (torch 2.14.1, torchvision 0.29.1).
# Behaviour: OpenAI's weights want QuickGELU. create_model("ViT-B-32", pretrained="openai") warns of a mismatch;
#   create_model("ViT-B-32", pretrained="/path/to/the/same/weights") builds exact GELU layers and says nothing. The file
#   loads without a missing key, for activations have no weights, and features differ. Of the published (model, tag)
#   pairs 28 are such. What helps: the "-quickgelu" model, or force_quick_gelu=True where
#   open_clip.get_pretrained_cfg(model, tag)["quick_gelu"] says so.
# Output: see the last lines. Exits with 1 where this has changed. No weights are fetched: they are random.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet open_clip_torch==3.3.0 torch==2.14.1 torchvision==0.29.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import open_clip
import torch

print("open_clip_torch", open_clip.__version__, "torch", torch.__version__)
pairs = [
    (model, tag)
    for model, tag in open_clip.list_pretrained()
    if bool(open_clip.get_pretrained_cfg(model, tag).get("quick_gelu"))
    != bool(open_clip.get_model_config(model).get("quick_gelu"))
]
print(len(pairs), "published pairs whose model has another activation than their weights:", *pairs[:3], "...")

torch.manual_seed(0)
right = open_clip.create_model("ViT-B-32-quickgelu").eval()  # what OpenAI's weights are of
torch.save(right.state_dict(), "weights.pt")
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    wrong = open_clip.create_model("ViT-B-32", pretrained="weights.pt").eval()
said = [str(warning.message) for warning in said if "gelu" in str(warning.message).lower()]
layers = [type(model.visual.transformer.resblocks[0].mlp.gelu).__name__ for model in (right, wrong)]
with torch.no_grad():
    pictures = torch.rand(4, 3, 224, 224)
    a, b = (model.encode_image(pictures) for model in (right, wrong))
moved = ((a - b).norm(dim=1) / a.norm(dim=1)).min().item()
print("activations:", *layers, "| warnings about it:", said, f"| their features differ by at least {moved:.2%}")
assert layers == ["QuickGELU", "GELU"], "the file's network has the right activation now"
assert not said, "it warns now"
assert moved > 1e-3, "the features are the same"
assert len(pairs) == 28, "other pairs are published now"
print("as described")
PYTHON
