#!/usr/bin/env bash
# wandb 0.31.0 with hydra-core 1.3.8: what a W&B sweep's file says is not what a Hydra program is given by its agent, though the agent has
# forms of arguments for Hydra (args_no_hyphens, args_append_hydra, args_override_hydra). They are Python's texts of the values.
# null arrives as the text "None", in lists too; a mapping ends the run with a parse error, for its keys are quoted; a text
# with a comma is two runs; the texts "true" and "1e3" arrive as a boolean and a number; a text with an apostrophe or
# brackets is a parse error. Numbers, booleans, lists of them and texts with blanks arrive as they are. Values written in Hydra's
# own grammar ("null", "'red, blue'", "{p: 1}") arrive. Exits 1 if that changes.
#
# Seen (the value in the sweep's file, what the agent writes, what Hydra reads):
#   null | key=None | 'None'
#   [1, null] | key=[1, None] | [1, 'None']
#   {p: 1} | key={'p': 1} | no override
#   "red, blue" | key=red, blue | 2 runs: ['red', 'blue']
#   "true" | key=true | True
#   "1e3" | key=1e3 | 1000.0
#   "it's" | key=it's | no override
#   "f(x)" | key=f(x) | no override
#   true | key=True | True
#   0.00001 | key=1e-05 | 1e-05
#   [a, b c] | key=['a', 'b c'] | ['a', 'b c']
#   add a hat | key=add a hat | 'add a hat'
#   "null" | key=null | None
#   "'red, blue'" | key='red, blue' | 'red, blue'
#   "{p: 1}" | key={p: 1} | {'p': 1}
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --quiet --quiet --disable-pip-version-check wandb==0.31.0 hydra-core==1.3.8 omegaconf==2.3.1 pyyaml==6.0.4
cat > "$work/look.py" <<'PY'
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

VALUES = """null
[1, null]
{p: 1}
"red, blue"
"true"
"1e3"
"it's"
"f(x)"
true
0.00001
[a, b c]
add a hat
"null"
"'red, blue'"
"{p: 1}\""""


def read(argument: str) -> str:
    """What Hydra makes of one argument."""
    try:
        override = OverridesParser.create().parse_override(argument)
    except HydraException:
        return "no override"
    if override.is_sweep_override():
        runs = list(override.sweep_iterator())
        return f"{len(runs)} runs: {runs}"
    value = override.value()
    return repr(value if not isinstance(value, dict) else {str(key): of for key, of in value.items()})


for text in VALUES.splitlines():
    command = {"args": {"key": {"value": yaml.safe_load(text)}}}
    forms = create_sweep_command_args(command)
    (argument,) = forms["args_no_hyphens"]
    assert forms["args_append_hydra"] == [f"+{argument}"] and forms["args_override_hydra"] == [f"++{argument}"]
    print(text, "|", argument, "|", read(argument))
PY
"$work/venv/bin/python" "$work/look.py" > "$work/seen"
cat "$work/seen"
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
