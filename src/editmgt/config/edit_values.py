"""The settings of an edit as a configuration holds them."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, create_model

from editmgt.editing.settings import SETTINGS
from editmgt.settings.ranges import Strict


def edit_values(config: Mapping[str, Any] | BaseModel) -> dict[str, Any]:
    """What a configuration, or a part of one, says of an edit, by the names of :class:`editmgt.editing.EditSettings`."""
    found = {}
    for name, setting in SETTINGS.items():
        node: Any = config
        for part in setting.key.split("."):
            node = node.get(part, ...) if isinstance(node, Mapping) else getattr(node, part, ...)
        if node is not ...:
            found[name] = node
    return found


def config_key(name: str) -> str:
    """Return the key of a configuration that is a field of :class:`editmgt.editing.EditSettings`."""
    return SETTINGS[name].key or name


def section(group: str, nullable: bool = False) -> type[BaseModel]:
    """Return what edits are set by below a key; ``nullable``: null is what the checkpoint was finished with."""
    fields: dict[str, Any] = {}
    for setting in SETTINGS.values():
        if not setting.key.startswith(f"{group}."):
            continue
        head, _, rest = setting.key.removeprefix(f"{group}.").partition(".")
        kind = section(f"{group}.{head}", nullable) if rest else setting.kind
        fields[head] = (kind | None if nullable and not rest else kind, ...)
    return create_model(group.rpartition(".")[-1].title(), __base__=Strict, **fields)
