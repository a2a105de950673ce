"""``editmgt train|evaluate|edit|prepare|report|demo ...``: the clone's commands, from any directory."""

import os
import sys
from pathlib import Path

import editmgt
from editmgt.errors import nearest

ROOT = Path(editmgt.__file__).parents[2]
COMMANDS = {
    "train": [str(ROOT / "train.py")],
    "evaluate": [str(ROOT / "evaluate.py")],
    "edit": [str(ROOT / "edit.py")],
    "prepare": ["-m", "editmgt.prepare"],
    "report": ["-m", "editmgt.report"],
    "demo": ["-m", "editmgt.demo"],
}


def main() -> int:
    """Become the command that is named; returns the exit status where there is none."""
    name, *arguments = sys.argv[1:] or [""]
    if name not in COMMANDS:
        asked = name in ("-h", "--help")
        usage = f"usage: editmgt {'|'.join(COMMANDS)} ...{nearest(name, COMMANDS)}"
        print(usage, file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    if not (ROOT / "conf").is_dir():
        print('editmgt needs its clone, where conf/ is: pip install -e ".[dev]" there.', file=sys.stderr)
        return 2
    os.execv(sys.executable, [sys.executable, *COMMANDS[name], *arguments])
