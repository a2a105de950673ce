"""What a command line overrides, read one argument at a time; mistakes name the key and the nearest valid one."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException, OverrideParseException

from editmgt.config import show
from editmgt.errors import UserError, nearest

_FREE = ("callbacks.",)  # mappings whose entries users name


def parse(arguments: Iterable[str]) -> list[Override]:
    """Read ``key=value`` arguments; a ``UserError`` has a line for each that is none."""
    parser, parsed, mistakes = OverridesParser.create(), [], []
    for argument in arguments:
        try:
            parsed += parser.parse_overrides([argument])
        except (OverrideParseException, HydraException):
            hint = "" if "=" in argument else f" Write {argument}=VALUE."
            if argument.count("=") > 1 or re.search(r"[(),'\s]", argument):
                hint = " A value that holds any of = , ( ) ' or a space needs quotes: \"key='a=b'\"."
            mistakes.append(f"Cannot read '{argument}': it is not key=value.{hint}")
    if mistakes:
        raise UserError("\n".join(mistakes))
    return parsed


def is_hydra(override: Override) -> bool:
    """Whether it sets something of Hydra's own."""
    return re.match(r"hydra([./]|$)", override.key_or_group) is not None


def choices(override: Override) -> list[str]:
    """Return the values that it names, as text; of an interval both ends."""
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    value = override.value()
    if isinstance(value, IntervalSweep):
        return [str(value.start), str(value.end)]
    return [str(text) for text in override.sweep_string_iterator()]


def group_choices(conf_dir: Path, overrides: list[Override]) -> list[str]:
    """Return the overrides that choose a file of a group, the first one where several are swept."""
    chosen = [override for override in overrides if _group(conf_dir, override.key_or_group) is not None]
    return [f"{override.get_key_element()}={choices(override)[0]}" for override in chosen]


def _group(conf_dir: Path, key: str) -> Path | None:
    """The directory of a config group, or None where ``key`` is none."""
    directory = conf_dir / key
    return directory if directory.is_dir() and not key.startswith("hydra") and "." not in key else None


def _groups(conf_dir: Path) -> set[str]:
    return {path.name for path in conf_dir.iterdir() if path.is_dir()}


def _values(override: Override) -> Iterator[Any]:
    if override.is_sweep_override():
        yield from override.sweep_string_iterator()
    else:
        yield override.value()


def keep(
    overrides: list[Override], check: Callable[[Override], list[str]], mistakes: list[str]
) -> list[Override]:
    """Return the overrides without mistakes, so that the rest can be composed and judged too."""
    kept = []
    for override in overrides:
        found = check(override)
        mistakes += found
        if not found:
            kept.append(override)
    return kept


def group_mistakes(conf_dir: Path, override: Override) -> list[str]:
    """Return what is wrong with a choice of a group's files."""
    directory = _group(conf_dir, override.key_or_group)
    if directory is None or override.is_delete():
        return []
    options = sorted(path.stem for path in directory.glob("*.yaml"))
    names = [name for value in _values(override) for name in (value if isinstance(value, list) else [value])]
    listed = ", ".join(options)
    return [
        f"{override.key_or_group}={show(name)} must be one of {listed}.{nearest(name, options)}"
        for name in names
        if str(name) not in options
    ]


def key_mistakes(conf_dir: Path, known: set[str], override: Override) -> list[str]:
    """Return what is wrong with a key; ``known`` are all that the configuration has."""
    key = override.key_or_group
    if is_hydra(override) or _group(conf_dir, key) is not None or key in known:
        return []
    if key.startswith(_FREE):
        return []
    parents = [key.rsplit(".", depth)[0] for depth in range(1, key.count(".") + 1)]
    if any(f"{parent}._target_" in known for parent in parents):
        if override.is_add() or override.is_force_add():
            return []  # an argument of a class: the class judges it
        return [f"Unknown key '{key}'.{_suggest(key, known)} To add an argument write +{key}=..."]
    elsewhere = _elsewhere(conf_dir, key)
    return [f"Unknown key '{key}'.{elsewhere or _suggest(key, known | _groups(conf_dir))}"]


def _elsewhere(conf_dir: Path, key: str) -> str:
    """Which command has a key that this one has not."""
    for path in sorted(conf_dir.glob("*.yaml")):
        if key in yaml.safe_load(path.read_text()):
            return f" It is a key of {path.stem}."
    return ""


def _suggest(key: str, known: set[str]) -> str:
    last = key.rsplit(".", 1)[-1]
    same = sorted((name for name in known if name.rsplit(".", 1)[-1] == last), key=len)
    if same:
        return f" Did you mean '{same[0]}'?"
    return nearest(key, sorted(known))


def flatten(node: Any, prefix: str = "") -> Iterator[str]:
    """Every key of nested mappings, dotted."""
    if isinstance(node, dict):
        for name, value in node.items():
            key = f"{prefix}.{name}" if prefix else str(name)
            yield key
            yield from flatten(value, key)
