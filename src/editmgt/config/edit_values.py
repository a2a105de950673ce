"""The settings of an edit as a configuration holds them."""

from collections.abc import Mapping
from typing import Any


def edit_values(config: Mapping[str, Any]) -> dict[str, Any]:
    """The switches and the sampler of a configuration, by the names of :class:`editmgt.editing.EditSettings`."""
    model = config["model"]
    names = ("reference_strength", "reference_strength_scope", "region_hold", "consolidation", "resolution")
    return {
        **config["sampler"],
        **{name: model[name] for name in names},
        **{"map_source" if name == "source" else name: v for name, v in model["localization"].items()},
        **{f"hold_{name}": value for name, value in model["hold"].items()},
    }


def config_key(name: str) -> str:
    """Return the key of a configuration that is a field of :class:`editmgt.editing.EditSettings`."""
    if name.startswith("hold_"):
        return f"model.hold.{name.removeprefix('hold_')}"
    if name.startswith("guidance_"):
        return f"sampler.{name}"
    return {"map_source": "model.localization.source"}[name]
