"""What is declared of settings, and of other keys of a configuration, beside name, type and default."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from functools import cache
from typing import Any, get_type_hints


@dataclass(frozen=True)
class Setting:
    """What is declared of a setting of an edit; see :func:`setting`.

    Attributes:
        key: where a configuration has it; empty: nowhere.
        kind: the pydantic type of its plain value, with its range; None: what its field is annotated with.
        under: the setting says nothing unless each of these others has the value (one of a tuple's; a function returns them,
            where it takes an import to know). A name with a dot is a key of the configuration that no edit has.
        of_map: whether it only makes the map: that changes pictures where a hold rule reads the map, and scores of the map.
        trained: whether a training reads it, so that its weights are others.
        option: what ``edit.py --help`` says of it; None: it has no option there.
    """

    key: str
    kind: Any
    under: Mapping[str, Any] = field(default_factory=dict)
    of_map: bool = False
    trained: bool = False
    option: str | None = None


def setting(default: Any, key: str, kind: Any = None, **more: Any) -> Any:
    """Return a field of a dataclass that is a :class:`Setting`: ``steps: Steps = setting(36, "sampler.steps")``."""
    return field(default=default, metadata={"setting": Setting(key, kind, **more)})


@cache
def declared(owner: type) -> dict[str, Setting]:
    """Return name -> declaration of the fields of a dataclass of settings, in their order."""
    hints = get_type_hints(owner, include_extras=True)
    own = {field.name: field.metadata["setting"] for field in fields(owner)}
    return {name: replace(entry, kind=entry.kind or hints[name]) for name, entry in own.items()}


def allowed(values: Any) -> tuple[Any, ...]:
    """Return the values that an entry of ``Setting.under`` names."""
    if callable(values):
        values = values()
    return values if isinstance(values, tuple) else (values,)


def silencer(
    under: Mapping[str, Any], values: Mapping[str, Any], settings: Mapping[str, Setting]
) -> str | None:
    """Return the setting whose value makes one with these conditions say nothing; None where none does.

    Args:
        under: as in :class:`Setting`.
        values: of settings, by name; what is None or left out is not known and silences nothing.
        settings: the declarations of them all: a condition that says nothing itself fails for what silenced it.
    """
    for other, wanted in under.items():
        if other in settings and (by := silencer(settings[other].under, values, settings)):
            return by
        if values.get(other) is not None and values[other] not in allowed(wanted):
            return other
    return None


def silenced(values: Mapping[str, Any], settings: Mapping[str, Setting]) -> dict[str, str]:
    """Return the settings that say nothing, each with the one that makes it so; see :func:`silencer`."""
    found = {name: silencer(setting.under, values, settings) for name, setting in settings.items()}
    return {name: by for name, by in found.items() if by is not None}


class Mark(Enum):
    """What a key of a configuration is, other than a setting that results follow from."""

    RUNNING = "how work runs and what is shown of it"
    REPLICATE = "a seed: another one asks the same question again"
    PRESET = "the name of a file, whose settings count on their own"
    MEASURED = "what is measured, of whatever is compared"


@dataclass(frozen=True)
class Under:
    """The keys, each with its value, without which a key of a configuration says nothing.

    Attributes:
        conditions: the value of each of these keys (one of a tuple's).
        asks: whether any value but 0, false and null asks for something: it is then refused where the key says nothing. Of
            others a default may stand there.
    """

    conditions: Mapping[str, Any]
    asks: bool = False
