"""Ways to hold that have a name: ``conf/hold_setup``, as settings of an edit."""

from pathlib import Path
from typing import Any

import yaml

import editmgt

FOLDER = Path(editmgt.__file__).parents[2] / "conf" / "hold_setup"


def hold_presets() -> dict[str, dict[str, Any]]:
    """Return name -> settings, by the names of :class:`editmgt.editing.EditSettings`."""
    presets = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        model = yaml.safe_load(path.read_text())["model"]
        settings = {"region_hold": model["region_hold"]}
        if "localization" in model:
            settings["map_source"] = model["localization"]["source"]
        settings |= {f"hold_{name}": value for name, value in model.get("hold", {}).items()}
        presets[path.stem] = settings
    return presets
