"""Settings of an edit that go by one name: the files of ``conf/speed`` and ``conf/hold_setup``."""

from pathlib import Path
from typing import Any

import yaml

import editmgt
from editmgt.config.edit_values import edit_values

CONF = Path(editmgt.__file__).parents[2] / "conf"


def presets(group: str) -> dict[str, dict[str, Any]]:
    """Return name -> settings of a group's files, by the names of :class:`editmgt.editing.EditSettings`."""
    return {
        path.stem: edit_values(yaml.safe_load(path.read_text()))
        for path in sorted((CONF / group).glob("*.yaml"))
    }
