#!/usr/bin/env bash
# hydra-core 1.3.8: a value on the command line is read by Hydra's own grammar, not as YAML, so key=VALUE and "key: VALUE" in a file part
# ways, without a word. off, no, on and yes are booleans in a file and texts on the command line: hold=off leaves a switch on, for a
# text is true, and both runs of a sweep over on,off have it on. A number with a leading zero is octal in a file and a text on the
# command line; where the field is declared an integer it is two numbers. A commit's hash such as 7e12345 is infinity for
# both; PyYAML reads it as a text and writes it without quotes (Lightning's hparams.yaml is written so), for OmegaConf to read
# infinity. OmegaConf.from_cli reads as the file does. What helps: true and false, and fields with a type (a dataclass,
# pydantic), which read off as false from both. Exits 1 if that changes.
#
# Seen (omegaconf 2.3.1, PyYAML 6.0.4, pydantic 2.14.4; read from a file, on Hydra's command line, by PyYAML):
#   off: False, 'off' (which is true), False
#   yes: True, 'yes' (which is true), True
#   [on, off]: [True, False], ['on', 'off'], [True, False]
#   0123456: 42798, '0123456', 42798
#   1:30: 90, '1:30', 90
#   0x10: 16, '0x10', 16
#   inf: 'inf', inf, 'inf'
#   7e12345: inf, inf, '7e12345'
#   1e3: 1000.0, 1000.0, '1e3'
#   ~: None, refused, None
#   off as a bool of a dataclass: file False, command line False; of pydantic: file False, command line False
#   0123456 as an int of a dataclass: file 42798, command line 123456; of pydantic: file 42798, command line 123456
#   written by PyYAML, read by OmegaConf: 'commit: 7e12345' inf
#   from_cli reads as the file: True
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --quiet --quiet --disable-pip-version-check \
    hydra-core==1.3.8 omegaconf==2.3.1 PyYAML==6.0.4 pydantic==2.14.4
mkdir "$work/conf"
echo "k: null" > "$work/conf/config.yaml"
cat > "$work/look.py" <<'PY'
import sys
from dataclasses import dataclass

import yaml
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from pydantic import BaseModel


@dataclass
class Switch:
    k: bool = True


@dataclass
class Seed:
    k: int = 0


class SwitchModel(BaseModel):
    k: bool


class SeedModel(BaseModel):
    k: int


def of_file(text):
    return OmegaConf.create(f"k: {text}").k


def of_command_line(text):
    return compose("config", overrides=[f"k={text}"]).k


switches = ["off", "yes"]
texts = [*switches, "[on, off]", "0123456", "1:30", "0x10", "inf", "7e12345", "1e3", "~"]
with initialize_config_dir(sys.argv[1], version_base=None):
    for text in texts:
        try:
            value = of_command_line(text)
            there = f"{value!r} (which is {'true' if value else 'false'})" if text in switches else repr(value)
        except HydraException:
            there = "refused"
        print(f"{text}: {of_file(text)!r}, {there}, {yaml.safe_load(text)!r}")
    for text, kind, schema, model in (("off", "a bool", Switch, SwitchModel), ("0123456", "an int", Seed, SeedModel)):
        read = of_file(text), of_command_line(text)
        typed = [OmegaConf.merge(schema, {"k": value}).k for value in read]
        checked = [model(k=value).k for value in read]
        print(f"{text} as {kind} of a dataclass: file {typed[0]}, command line {typed[1]}; ", end="")
        print(f"of pydantic: file {checked[0]}, command line {checked[1]}")
written = yaml.safe_dump({"commit": "7e12345"}).strip()
print(f"written by PyYAML, read by OmegaConf: {written!r} {OmegaConf.create(written).commit}")
print("from_cli reads as the file:", all(OmegaConf.from_cli([f"k={text}"]).k == of_file(text) for text in texts))
PY
"$work/venv/bin/python" "$work/look.py" "$work/conf" > "$work/seen"
cat "$work/seen"
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
