#!/usr/bin/env bash
# transformers 5.24.0: the pooled text of a CLIP text model whose configuration says eos_token_id 2 (what published CLIP text encoders say,
# Stable Diffusion's among them) is the state at the highest id of the sequence, which is the end of the text as long as nothing
# was added to the vocabulary. With a word added after it (ids from 49408, as textual inversion and added placeholders do) the pooled text
# is the state at that word, and since attention is causal nothing after it counts: two instructions that differ only behind the word have the same
# pooled text, to the bit. With eos_token_id 49407 in the configuration it is the state at the end of the text. Nothing warns.
# Exits 1 if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --quiet --disable-pip-version-check 'transformers==5.24.0' 'torch==2.13.0' 'numpy==2.4.6'
env/bin/python - 2> said.txt <<'PY' > seen || { cat said.txt; exit 1; }
import torch
import transformers
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

START, END, ADDED = 49406, 49407, 49408
make_red = torch.tensor([[START, 1078, ADDED, 736, END, END]])
make_blue = torch.tensor([[START, 1078, ADDED, 1746, END, END]])

for end in (2, END):
    torch.manual_seed(0)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "projection_dim": 32}
    config = CLIPTextConfig(vocab_size=49408, eos_token_id=end, bos_token_id=START, pad_token_id=END, **size)
    model = CLIPTextModelWithProjection(config).eval()
    model.resize_token_embeddings(49409)
    with torch.no_grad():
        out = model(make_red)
        states = model.text_projection(out.last_hidden_state[0])
        place = (states - out.text_embeds).abs().amax(dim=1).argmin().item()
        same = torch.equal(out.text_embeds, model(make_blue).text_embeds)
    where = "the added word" if place == 2 else "the end of the text" if place == 4 else f"place {place}"
    print(f"{transformers.__version__} eos_token_id {end}: pooled at {where}, two texts {'equal' if same else 'apart'}")
PY
cat seen
diff seen - <<'SEEN'
5.24.0 eos_token_id 2: pooled at the added word, two texts equal
5.24.0 eos_token_id 49407: pooled at the end of the text, two texts apart
SEEN
