#!/usr/bin/env bash
# Where a project pins Pillow 13 and not gradio (a constraints file, say), "pip install" succeeds, "pip check" finds nothing
# broken, and the gradio that pip chose is of 2023 and cannot be imported.
#
# Version: gradio 6.31.0 is the newest beside Pillow 13.0.0; pip 26.3, Python 3.11.
# Behaviour: every gradio of 2024 and later caps Pillow (6.31.0: "pillow<13.0"). Gradio 3.36.1 is the newest that does not,
#   so pip goes back to it past all of them, without a word. It asks for gradio_client without an upper bound,
#   gets 2.7.2, and fails at "import gradio": gradio_client.serializing is gone. What helps: a floor ("gradio>=6"): pip then says
#   that it conflicts with the pin. Without the pin, pip takes Pillow 12 with gradio 6.31.0.
# Output: see the last lines. Exits with 1 where this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet pip==26.3
echo pillow==13.0.0 > pins.txt
env/bin/pip install --quiet -c pins.txt pillow gradio gradio_client==2.7.2
env/bin/pip check
env/bin/pip list --format=freeze 2> /dev/null > chosen.txt
grep -iE '^(gradio|gradio_client|pillow)=' chosen.txt
grep -qx 'gradio==3.36.1' chosen.txt || { echo "CHANGED: another gradio is chosen"; exit 1; }
if env/bin/python -c 'import gradio' 2> said.txt; then
    echo "CHANGED: it can be imported"
    exit 1
fi
tail -1 said.txt
grep -q "No module named 'gradio_client.serializing'" said.txt || { echo "CHANGED: it fails otherwise"; exit 1; }
if env/bin/pip install --quiet -c pins.txt 'gradio>=6' 2> said.txt; then
    echo "CHANGED: gradio 6 takes Pillow 13"
    exit 1
fi
grep -m1 -E 'ResolutionImpossible|conflict' said.txt || { echo "CHANGED: it fails otherwise"; exit 1; }
echo "as described"
