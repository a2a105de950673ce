"""What a command line overrides, read one argument at a time; mistakes name the key and the nearest valid one."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, IntervalSweep, Override
from hydra.errors import HydraException, OverrideParseException

from editmgt.config import show
from editmgt.errors import nearest, tell

_LISTS = ("callbacks",)  # groups of which several files go together
_TASK = "task"
_DIRECTORIES = ("hydra.run.dir", "hydra.sweep.dir")
_FREE = ("callbacks.",)  # mappings whose entries users name


def parse(arguments: Iterable[str]) -> list[Override]:
    """Read ``key=value`` arguments; a ``UserError`` has a line for each that is none."""
    parser, parsed, mistakes = OverridesParser.create(), [], []
    for pieces in _pieces(arguments):
        if len(pieces) > 1:
            mistakes.append(
                f"Cannot read {_quoted(' '.join(pieces))}: write it without spaces, {''.join(pieces)}"
            )
            continue
        [argument] = pieces
        try:
            [override] = parser.parse_overrides([argument])
        except (OverrideParseException, HydraException):
            mistakes.append(f"Cannot read {_quoted(argument)}: it is not key=value.{_hint(argument)}")
            continue
        if isinstance(override.value(), Glob):
            mistakes.append(f"Cannot read {_quoted(argument)}: write out the names, glob() is not supported.")
        if not override.key_or_group:
            mistakes.append(f"Cannot read {_quoted(argument)}: it names no key.")
        parsed.append(override)
    mistakes += _repeated(parsed)
    tell(mistakes)
    return parsed


def _pieces(arguments: Iterable[str]) -> list[list[str]]:
    """The arguments, those together that a space around ``=``, or after a comma, has torn apart."""
    together: list[list[str]] = []
    for argument in arguments:
        deletes = argument.startswith("~")  # a whole override, though it has no =
        torn = together and together[-1][-1].endswith(("=", ",")) and "=" not in argument and not deletes
        if torn or (together and argument.startswith(("=", ","))):
            together[-1].append(argument)
        else:
            together.append([argument])
    return together


def _quoted(argument: str) -> str:
    return f"'{argument}'" if argument.isprintable() else repr(argument)  # a message is one line


def _hint(argument: str) -> str:
    if re.search("[“”‘’„«»]", argument):
        return " Its quotation marks are a text's: write \" or '."
    if argument.startswith("-"):
        return " Flags come first, and --help lists the settings."
    if argument.count("=") > 1 or re.search(r"[(),'\"\s]", argument):
        return " A value that holds any of = , ( ) ' \" or a space needs quotes: \"key='a=b'\"."
    return "" if "=" in argument or not argument else f" Write {argument}=VALUE."


def _repeated(overrides: list[Override]) -> Iterator[str]:
    """A key that is set twice: the last would count, which nobody sees."""
    lines: dict[str, list[str]] = {}
    for override in overrides:
        if override.key_or_group:
            lines.setdefault(override.get_key_element().lstrip("+~"), []).append(str(override.input_line))
    for key, texts in lines.items():
        if len(texts) > 1:
            yield f"{key} is set {len(texts)} times, {' and '.join(map(_quoted, texts))}: leave one."


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
    chosen = [override for override in overrides if is_group(conf_dir, override.key_or_group)]
    return [f"{override.get_key_element()}={choices(override)[0]}" for override in chosen]


def is_group(conf_dir: Path, key: str) -> bool:
    """Whether ``key`` names a group of files of ``conf_dir``."""
    return _group(conf_dir, key) is not None


def _group(conf_dir: Path, key: str) -> Path | None:
    """The directory of a config group, or None where ``key`` is none."""
    directory = conf_dir / key
    return directory if directory.is_dir() and not key.startswith("hydra") and "." not in key else None


def _own_groups(command: Path) -> set[str]:
    """The groups that the file of a command takes files of."""
    defaults = yaml.safe_load(command.read_text())["defaults"]
    return {str(name) for entry in defaults if isinstance(entry, dict) for name in entry}


def _groups(conf_dir: Path) -> set[str]:
    return {path.name for path in conf_dir.iterdir() if path.is_dir() and path.name != "hydra"}


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


def group_mistakes(conf_dir: Path, task: str, override: Override) -> list[str]:
    """Return what is wrong with a choice of a group's files for the command ``task``."""
    directory = _group(conf_dir, override.key_or_group)
    if directory is None:
        return []
    group, options = override.key_or_group, sorted(path.stem for path in directory.glob("*.yaml"))
    listed = ", ".join(options)
    commands = [path.stem for path in sorted(conf_dir.glob("*.yaml")) if group in _own_groups(path)]
    if task not in commands:
        return [
            f"{override.input_line}: {task} takes no file of conf/{group}; {' and '.join(commands)} would."
        ]
    if override.is_delete():
        return [f"~{group}: it cannot be left out; write {group}=NAME, one of {listed}."]
    if override.is_add():
        return [f"{override.input_line}: {group} is there already, write it without the +."]
    if group not in _LISTS and any(isinstance(value, list) for value in _values(override)):
        return [
            f"{override.input_line} names a list: {group} is one of {listed}; to compare some write -m {group}=A,B."
        ]
    names = [name for value in _values(override) for name in (value if isinstance(value, list) else [value])]
    return [
        f"{group}={show(name)} must be one of {listed}.{nearest(name, options)}"
        for name in names
        if str(name) not in options
    ]


def key_mistakes(
    conf_dir: Path, task: str, known: set[str], others: Callable[[], dict[str, set[str]]], override: Override
) -> list[str]:
    """Return what is wrong with a key.

    Args:
        conf_dir: Hydra's config directory.
        task: the command.
        known: all keys that its configuration has.
        others: returns the other commands' keys, by command.
        override: sets the key.
    """
    key = override.key_or_group
    if key == _TASK:
        return [f"{override.input_line}: {key} is {task} here and cannot be changed."]
    if key in known and override.is_add():
        return [f"{override.input_line}: {key} is there already, write it without the +."]
    if key in _DIRECTORIES and not str(override.value()).strip():
        return [f"{override.input_line} names no directory."]
    if is_hydra(override) or is_group(conf_dir, key) or key in known:
        return []  # a group's choices have been judged
    own = key.split(".")[0] in known
    if own and key.startswith(_FREE):
        return []
    parents = [key.rsplit(".", depth)[0] for depth in range(1, key.count(".") + 1)]
    if any(f"{parent}._target_" in known for parent in parents):
        if override.is_add() or override.is_force_add():
            return []  # an argument of a class: the class judges it
        return [f"Unknown key '{key}'.{_suggest(key, known)} To add an argument write +{key}=..."]
    elsewhere = [
        command for command, keys in others().items() if key in keys or (not own and key.startswith(_FREE))
    ]
    if elsewhere:
        return [f"Unknown key '{key}'. It is a key of {' and '.join(elsewhere)}."]
    files = _files_with(conf_dir, key)
    if files:
        return [f"Unknown key '{key}'. It is a key of {', '.join(files)}."]
    return [f"Unknown key '{key}'.{_suggest(key, known | _groups(conf_dir))}"]


def _files_with(conf_dir: Path, key: str) -> list[str]:
    """The choices of its group that a key needs, as ``group=name``."""
    group, *rest = key.split(".")
    found = []
    for path in sorted((conf_dir / group).glob("*.yaml")):
        node = yaml.safe_load(path.read_text())
        for name in rest:
            node = node.get(name, ...) if isinstance(node, dict) else ...
        if rest and node is not ...:
            found.append(f"{group}={path.stem}")
    return found


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
