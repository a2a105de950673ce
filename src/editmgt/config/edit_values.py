"""The settings of an edit as a configuration holds them."""

from collections.abc import Mapping
from typing import Any

_MODEL = ("reference_strength", "reference_strength_scope", "region_hold", "consolidation", "resolution")


def edit_values(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a configuration, or a part of one, says of the switches and the sampler, by the names of ``EditSettings``."""
    model = config.get("model", {})
    return {
        **config.get("sampler", {}),
        **{name: model[name] for name in _MODEL if name in model},
        **{
            "map_source" if name == "source" else name: value
            for name, value in model.get("localization", {}).items()
        },
        **{f"hold_{name}": value for name, value in model.get("hold", {}).items()},
    }


def config_key(name: str) -> str:
    """Return the key of a configuration that is a field of :class:`editmgt.editing.EditSettings`."""
    if name.startswith("hold_"):
        return f"model.hold.{name.removeprefix('hold_')}"
    if name.startswith("guidance_"):
        return f"sampler.{name}"
    return {"map_source": "model.localization.source"}[name]
