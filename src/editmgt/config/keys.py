"""What follows from the keys of a configuration, as the schema and the settings of an edit declare it."""

from collections.abc import Iterator, Mapping, Set
from functools import cache
from typing import Any

from pydantic import BaseModel

from editmgt.config.schema import SCHEMAS
from editmgt.editing.settings import SETTINGS
from editmgt.settings.declaration import Mark, Setting, Under, allowed
from editmgt.settings.mistakes import models_in


@cache
def marked(*marks: Mark) -> frozenset[str]:
    """Return the keys, of any command, that the schema marks so; below a group that is marked, all are."""
    fields = [field for schema in SCHEMAS.values() for field in _fields(schema)]
    return frozenset(key for key, notes in fields if any(mark in notes for mark in marks))


def without(config: Mapping[str, Any], keys: Set[str], parent: str = "") -> dict[str, Any]:
    """Return a configuration without some keys, and without the groups that are empty then."""
    left = {}
    for name, value in config.items():
        key = f"{parent}{name}"
        if key in keys:
            continue
        if isinstance(value, Mapping) and value and not (value := without(value, keys, f"{key}.")):
            continue
        left[name] = value
    return left


@cache
def inference_only() -> frozenset[str]:
    """Return the keys of edits that no training reads: trained weights do not depend on them."""
    return frozenset(setting.key for setting in SETTINGS.values() if setting.key and not setting.trained)


@cache
def acts_through() -> dict[str, dict[str, tuple[Any, ...]]]:
    """Return key -> the other keys, each with its values, without one of which it changes no picture."""
    found = {setting.key: _conditions(setting) for setting in SETTINGS.values() if setting.key}
    for key, under in _unders():
        found[key] = found.get(key, {}) | _values(under)
    return {key: conditions for key, conditions in found.items() if conditions}


def idle(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the keys that say nothing in a ``train`` configuration, each with one whose value makes it so."""
    found = {key: _unmet(conditions, config) for key, conditions in acts_through().items()}
    return {key: by for key, by in found.items() if by is not None}


def asked_in_vain(config: Mapping[str, Any]) -> dict[str, str]:
    """Return those of :func:`idle` whose value asks for something all the same; see :class:`Under`."""
    found = {
        key: _unmet(_values(under), config)
        for key, under in _unders()
        if under.asks and value_of(config, key)
    }
    return {key: by for key, by in found.items() if by is not None}


def value_of(config: Mapping[str, Any], key: str) -> Any:
    """Return the value of a dotted key; None where there is none."""
    node: Any = config
    for part in key.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def _unmet(conditions: Mapping[str, tuple[Any, ...]], config: Mapping[str, Any]) -> str | None:
    """The key that fails one of these conditions; a condition that says nothing itself fails for what silenced it."""
    for other, values in conditions.items():
        if (by := _unmet(acts_through().get(other, {}), config)) is not None:
            return by
        if value_of(config, other) not in values:
            return other
    return None


@cache
def _unders() -> tuple[tuple[str, Under], ...]:
    """What the schema notes of keys that say nothing by themselves, as each command has them."""
    fields = [field for schema in SCHEMAS.values() for field in _fields(schema)]
    return tuple((key, note) for key, notes in fields for note in notes if isinstance(note, Under))


def _values(under: Under) -> dict[str, tuple[Any, ...]]:
    return {key: allowed(values) for key, values in under.conditions.items()}


def _conditions(setting: Setting) -> dict[str, tuple[Any, ...]]:
    """A setting's conditions by key, and those of the settings in them."""
    found: dict[str, tuple[Any, ...]] = {SETTINGS["region_hold"].key: (True,)} if setting.of_map else {}
    for name, wanted in setting.under.items():
        other = SETTINGS.get(name)
        found |= _conditions(other) if other else {}
        key = other.key if other else name if "." in name else ""
        if key:
            found[key] = allowed(wanted)
    return found


def _fields(schema: type[BaseModel], parent: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Every key with what its annotation notes, dotted."""
    for name, field in schema.model_fields.items():
        yield f"{parent}{name}", field.metadata
        for model in models_in([field.annotation]):
            yield from _fields(model, f"{parent}{name}.")
