#!/usr/bin/env bash
# A CLIP tokenizer's ids depend on transformers' version and on whether ftfy happens to be installed, without a word:
# 4.47.1 cleans texts with ftfy where it is there, and splits Chinese into characters where it is not; 5.24 does neither.
# Weights that were trained and sampled under one read another text under the other. Exits 1 if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/code" # apart from the environments: one is called ftfy, which Python would take for the package
for name in ftfy plain new; do python3 -m venv "$work/$name"; done
pip() { "$work/$1/bin/pip" install --quiet --quiet --quiet --disable-pip-version-check "${@:2}"; }
pip ftfy transformers==4.47.1 ftfy==6.3.1 "numpy<3"
pip plain transformers==4.47.1 "numpy<3"
pip new transformers==5.24.0 "numpy<3"
pip new --no-deps open_clip_torch==3.3.0 # for OpenAI's vocabulary alone

cat > "$work/code/vocabulary.py" <<'PY'
import gzip, json, sys, sysconfig
from pathlib import Path

out = Path(sys.argv[1])
out.mkdir()
packed = Path(sysconfig.get_path("purelib"), "open_clip", "bpe_simple_vocab_16e6.txt.gz")
merges = gzip.open(packed, "rt", encoding="utf-8").read().split("\n")[1 : 49152 - 256 - 2 + 1]
plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
letters = [chr(c) for c in plain] + [chr(256 + i) for i in range(256 - len(plain))]
words = [*letters, *(c + "</w>" for c in letters), *("".join(m.split()) for m in merges)]
words += ["<|startoftext|>", "<|endoftext|>"]
(out / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
(out / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
(out / "tokenizer_config.json").write_text('{"tokenizer_class": "CLIPTokenizer", "model_max_length": 77}')
PY
cat > "$work/code/ids.py" <<'PY'
import sys
import transformers

tokenizer = transformers.CLIPTokenizer.from_pretrained(sys.argv[1])
for text in ("the cat\u2019s hat", "the cat's hat", "\u628a\u5e3d\u5b50\u53d8\u6210\u7ea2\u8272"):
    print(transformers.__version__, repr(text), tokenizer(text).input_ids)
PY
"$work/new/bin/python" "$work/code/vocabulary.py" "$work/clip"
for name in ftfy plain new; do
    "$work/$name/bin/python" "$work/code/ids.py" "$work/clip" 2> /dev/null > "$work/$name.txt"
    echo "--- $name"
    cat "$work/$name.txt"
done

ids() { sed -n "$2p" "$work/$1.txt" | sed 's/.*\[/[/'; }
holds() { if "${@:2}"; then echo "holds: $1"; else echo "CHANGED: $1"; exit 1; fi; }
differ() { [ "$1" != "$2" ]; }
same() { [ "$1" = "$2" ]; }
echo
holds "4.47.1 with ftfy reads a curly apostrophe as a straight one" same "$(ids ftfy 1)" "$(ids ftfy 2)"
holds "4.47.1 without ftfy does not" differ "$(ids plain 1)" "$(ids ftfy 1)"
holds "5.24.0 does not, either" same "$(ids new 1)" "$(ids plain 1)"
holds "plain text is the same everywhere" same "$(ids ftfy 2)$(ids plain 2)" "$(ids new 2)$(ids new 2)"
holds "Chinese differs the other way: 5.24.0 agrees with ftfy" same "$(ids new 3)" "$(ids ftfy 3)"
holds "and 4.47.1 without ftfy splits it" differ "$(ids plain 3)" "$(ids new 3)"
