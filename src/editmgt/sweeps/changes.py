"""What differs between two configurations, key by key."""

from collections.abc import Mapping
from typing import Any

from editmgt.config import show


def changes(old: Mapping[str, Any], new: Mapping[str, Any], parent: str = "") -> list[str]:
    """Return ``key was X and is Y`` for every leaf that differs; a list counts as one leaf."""
    found = []
    for name in dict.fromkeys([*old, *new]):
        key = f"{parent}.{name}" if parent else name
        before, after = old.get(name), new.get(name)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += changes(before, after, key)
        elif before != after:
            found.append(f"{key} was {show(before)} and is {show(after)}")
    return found
