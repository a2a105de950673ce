#!/usr/bin/env bash
# hydra-core 1.3.8: in the pattern of experiments (docs: configure experiments), where a file of experiment/ sets up a whole run, a preset
# (a group whose files set values of the whole configuration) that is chosen on the command line does not take effect if the experiment is
# listed after it and sets the same values: the values are the experiment's, while hydra.runtime.choices, which trackers log,
# names the preset. Listed the other way round the preset counts, but then no experiment can choose one: override is refused
# with the advice to override the very same name, though the same experiment is accepted as soon as the command line names any
# preset. So either experiments choose presets or command lines do. What helps: list experiment before such groups, and
# let experiments write values. Exits 1 if that changes.
#
# Seen (omegaconf 2.3.1; a defaults list in either order, then the command line):
#   preset, then experiment: experiment=values preset=strong: strength 5, hydra.runtime.choices.preset strong
#   preset, then experiment: experiment=chooses: strength 9, hydra.runtime.choices.preset strong
#   preset, then experiment: experiment=chooses preset=mild: strength 1, hydra.runtime.choices.preset mild
#   preset, then experiment: experiment=names: refused: Multiple values for preset. To override a value use 'override preset: strong'
#   experiment, then preset: experiment=values preset=strong: strength 9, hydra.runtime.choices.preset strong
#   experiment, then preset: experiment=chooses: refused: In 'experiment/chooses': Could not override 'preset'. Did you mean to override preset?
#   experiment, then preset: experiment=chooses preset=mild: strength 1, hydra.runtime.choices.preset mild
#   experiment, then preset: experiment=names: refused: Multiple values for preset. To override a value use 'override preset: mild'
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --quiet --quiet --disable-pip-version-check hydra-core==1.3.8 omegaconf==2.3.1
cat > "$work/look.py" <<'PY'
import sys
from pathlib import Path

import yaml
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException

conf = Path(sys.argv[1])
for name in ("preset", "experiment"):
    (conf / name).mkdir(parents=True)
(conf / "preset" / "mild.yaml").write_text("# @package _global_\nstrength: 1\n")
(conf / "preset" / "strong.yaml").write_text("# @package _global_\nstrength: 9\n")
(conf / "experiment" / "values.yaml").write_text("# @package _global_\nstrength: 5\n")
(conf / "experiment" / "chooses.yaml").write_text("# @package _global_\ndefaults:\n  - override /preset: strong\n")
(conf / "experiment" / "names.yaml").write_text("# @package _global_\ndefaults:\n  - /preset: strong\n")
orders = {
    "preset, then experiment": ["_self_", {"preset": "mild"}, {"experiment": None}],
    "experiment, then preset": ["_self_", {"experiment": None}, {"preset": "mild"}],
}
lines = {
    "experiment=values preset=strong": ["experiment=values", "preset=strong"],
    "experiment=chooses": ["experiment=chooses"],
    "experiment=chooses preset=mild": ["experiment=chooses", "preset=mild"],
    "experiment=names": ["experiment=names"],
}
with initialize_config_dir(str(conf), version_base=None):
    for order, defaults in orders.items():
        (conf / "config.yaml").write_text(yaml.safe_dump({"defaults": defaults, "strength": 0}))
        for line, overrides in lines.items():
            try:
                config = compose("config", overrides=overrides, return_hydra_config=True)
                said = f"strength {config.strength}, hydra.runtime.choices.preset {config.hydra.runtime.choices.preset}"
            except HydraException as error:
                said = "refused: " + " ".join(str(error).split())
            print(f"{order}: {line}: {said}")
PY
"$work/venv/bin/python" "$work/look.py" "$work/conf" > "$work/seen"
cat "$work/seen"
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
