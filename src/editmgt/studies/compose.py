"""From a command line to composed, validated cells; every mistake is found here, before any work."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from editmgt.config import problems, show
from editmgt.errors import UserError, nearest


@dataclass(frozen=True)
class Composed:
    """A cell: the overrides that make it, and the plain configuration they compose to."""

    overrides: tuple[str, ...]
    config: dict[str, Any]


@dataclass(frozen=True)
class Composition:
    """Everything one command asks for.

    Attributes:
        cells: in the order they run.
        varying: keys that take more than one value.
        directory: ``hydra.run.dir`` or ``hydra.sweep.dir`` where the user named one.
    """

    cells: tuple[Composed, ...]
    varying: tuple[str, ...]
    directory: Path | None


def compose_all(conf_dir: Path, task: str, arguments: list[str], multirun: bool) -> Composition:
    """Compose and validate every cell of a command.

    Raises:
        UserError: one line per mistake, each once, of all cells.
    """
    overrides = _parse(arguments)
    sweeps = [override for override in overrides if override.is_sweep_override()]
    if sweeps and not multirun:
        raise UserError(
            "\n".join(
                f"{override.input_line} names several values: add -m to run one cell for each."
                for override in sweeps
            )
        )
    cells, mistakes = [], list[str]()
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_dir)):
        overrides = _keep(overrides, lambda override: _group_mistakes(conf_dir, override), mistakes)
        first = BasicSweeper.split_arguments(overrides, None)[0][0] if overrides else []
        groups = [text for text in first if _group(conf_dir, _key(text)) is not None]
        base = _compose(task, groups)
        known = set(_flatten(OmegaConf.to_container(base, resolve=False)))
        overrides = _keep(overrides, lambda override: _key_mistakes(conf_dir, known, override), mistakes)
        plain = [override for override in overrides if not override.is_sweep_override()]
        hydra_overrides = [str(o.input_line) for o in plain if _is_hydra(o)]
        try:
            full = _compose(task, [*hydra_overrides, *groups], hydra=True)
        except UserError as error:
            raise UserError("\n".join([*mistakes, str(error)])) from error
        params = full.hydra.sweeper.get("params") if multirun else None
        swept = _parse([f"{key}={value}" for key, value in (params or {}).items()])
        swept += [override for override in overrides if not _is_hydra(override)]
        jobs = (
            BasicSweeper.split_arguments(swept, None)[0] if multirun else [[str(o.input_line) for o in swept]]
        )
        for job in jobs:
            try:
                config = OmegaConf.to_container(_compose(task, job), resolve=True, throw_on_missing=True)
            except OmegaConfBaseException as error:
                mistakes.append(_first_line(error))
                continue
            assert isinstance(config, dict)
            plain_config = {str(key): value for key, value in config.items()}
            mistakes += problems(plain_config)
            cells.append(Composed(tuple(job), plain_config))
    if mistakes:
        raise UserError("\n".join(dict.fromkeys(mistakes)))
    return Composition(tuple(cells), _varying(jobs), _named_directory(plain, multirun))


def _parse(arguments: Iterable[str]) -> list[Override]:
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


def _key(text: str) -> str:
    return text.split("=", 1)[0].lstrip("+~").split("@")[0]


def _is_hydra(override: Override) -> bool:
    return re.match(r"hydra([./]|$)", override.key_or_group) is not None


def _group(conf_dir: Path, key: str) -> Path | None:
    """The directory of a config group, or None where ``key`` is none."""
    directory = conf_dir / key
    return directory if directory.is_dir() and not key.startswith("hydra") and "." not in key else None


def _values(override: Override) -> Iterator[Any]:
    if override.is_sweep_override():
        yield from override.sweep_string_iterator()
    else:
        yield override.value()


def _keep(
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


def _group_mistakes(conf_dir: Path, override: Override) -> list[str]:
    directory = _group(conf_dir, override.key_or_group)
    if directory is None or override.is_delete():
        return []
    options = sorted(path.stem for path in directory.glob("*.yaml"))
    names = [name for value in _values(override) for name in (value if isinstance(value, list) else [value])]
    listed = (
        f"must be one of {', '.join(options)}."
        if options
        else f"has no choices: conf/{directory.name}/ is empty."
    )
    return [
        f"{override.key_or_group}={show(name)} {listed}{nearest(name, options)}"
        for name in names
        if name not in (None, "null") and str(name) not in options
    ]


def _key_mistakes(conf_dir: Path, known: set[str], override: Override) -> list[str]:
    key = override.key_or_group
    if _is_hydra(override) or _group(conf_dir, key) is not None or key in known:
        return []
    parents = [key.rsplit(".", depth)[0] for depth in range(1, key.count(".") + 1)]
    if any(f"{parent}._target_" in known for parent in parents):
        if override.is_add() or override.is_force_add():
            return []  # an argument of a class: the class judges it
        return [f"Unknown key '{key}'.{_suggest(key, known)} To add an argument write +{key}=..."]
    groups = {path.name for path in conf_dir.iterdir() if path.is_dir()}
    return [f"Unknown key '{key}'.{_suggest(key, known | groups)}"]


def _suggest(key: str, known: set[str]) -> str:
    last = key.rsplit(".", 1)[-1]
    same = sorted((name for name in known if name.rsplit(".", 1)[-1] == last), key=len)
    if same:
        return f" Did you mean '{same[0]}'?"
    return nearest(key, sorted(known))


def _flatten(node: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            key = f"{prefix}.{name}" if prefix else str(name)
            yield key
            yield from _flatten(value, key)


def _compose(task: str, overrides: list[str], hydra: bool = False) -> DictConfig:
    try:
        return compose(task, overrides=overrides, return_hydra_config=hydra)
    except MissingConfigException as error:
        options = [str(option) for option in error.options or ()]
        name = str(error.missing_cfg_file or "").rsplit("/", 1)[-1]
        raise UserError(f"{_first_line(error)}{nearest(name, options)}") from error
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    """Hydra says the mistake in its first line and goes on about its grammar; a cause may be the clearer one."""
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key} has no value: write {error.full_key}=VALUE."
    line = str(error).strip().splitlines()[0]
    cause = str(error.__cause__ or "").strip().splitlines()
    return line if not cause or cause[0] in line else f"{line} {cause[0]}"


def _varying(jobs: list[list[str]]) -> tuple[str, ...]:
    values: dict[str, set[str]] = {}
    for job in jobs:
        for text in job:
            values.setdefault(_key(text), set()).add(text)
    return tuple(key for key, texts in values.items() if len(texts) > 1)


def _named_directory(overrides: list[Override], multirun: bool) -> Path | None:
    wanted = "hydra.sweep.dir" if multirun else "hydra.run.dir"
    named = [str(override.value()) for override in overrides if override.key_or_group == wanted]
    return Path(named[-1]) if named else None
