"""From a command line to composed, validated cells; every mistake is found here, before any work."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from editmgt.config import Study, problems, show
from editmgt.errors import UserError, nearest
from editmgt.studies import study as studies

PLAN_KEY, PLANS = "plan", ("run", "only")  # what to do with a sweep: not a part of any cell


@dataclass(frozen=True)
class Composed:
    """A cell: the overrides that make it, and the plain configuration they compose to."""

    overrides: tuple[str, ...]
    config: dict[str, Any]


@dataclass(frozen=True)
class Composition:
    """Everything one command asks for.

    Attributes:
        cells: in the order they run; of an adaptive sweep, examples of what it may come to.
        varying: keys that take more than one value.
        directory: ``hydra.run.dir`` or ``hydra.sweep.dir`` where the user named one.
        study: what a sweep compares, where its configuration says so.
        sweeps: what the study adds to the command line.
        adaptive: the sweeper's name where it chooses the cells as it goes; None where they are known.
        plan_only: whether to print the plan and stop.
    """

    cells: tuple[Composed, ...]
    varying: tuple[str, ...]
    directory: Path | None
    study: Study | None = None
    sweeps: tuple[str, ...] = ()
    adaptive: str | None = None
    plan_only: bool = False


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
        groups = _group_choices(conf_dir, overrides)
        base = _plain(_compose(task, groups), resolve=False)
        known = set(_flatten(base))
        overrides = _keep(overrides, lambda override: _key_mistakes(conf_dir, known, override), mistakes)
        study, added = None, list[Override]()
        if base.get("study") is not None:
            _apply(overrides, base)
            computed = base["metrics"]["names"] or base["metrics"]["preset"]
            mistakes += studies.problems(base["study"], _settable(known), computed)
            if mistakes:
                raise UserError("\n".join(dict.fromkeys(mistakes)))
            study = Study.model_validate(base["study"])
            added = _parse(studies.sweeps(study, {override.key_or_group for override in overrides}))
            if not multirun:
                raise UserError(
                    f"{base['name']} is a study, a sweep over {', '.join(study.factors)}: add -m."
                )
        plain = [override for override in overrides if not override.is_sweep_override()]
        hydra_overrides = [str(o.input_line) for o in plain if _is_hydra(o)]
        try:
            full = _compose(task, [*hydra_overrides, *groups], hydra=True)
        except UserError as error:
            raise UserError("\n".join([*mistakes, str(error)])) from error
        params = full.hydra.sweeper.get("params") if multirun else None
        adaptive = _adaptive(full) if multirun else None
        if adaptive is not None:
            mistakes += _direction_mistakes(full, study.primary if study else studies.PRIMARY)
        swept = _parse([f"{key}={value}" for key, value in (params or {}).items()])
        swept += [o for o in overrides if not _is_hydra(o) and o.key_or_group != PLAN_KEY]
        jobs = _jobs([*swept, *added], multirun, adaptive is not None)
        for job in jobs:
            try:
                config = _plain(_compose(task, job))
            except OmegaConfBaseException as error:
                mistakes.append(_first_line(error))
                continue
            mistakes += problems(config)
            cells.append(Composed(tuple(job), config))
    wanted = [str(override.value()) for override in overrides if override.key_or_group == PLAN_KEY]
    mistakes += _plan_mistakes(wanted, multirun)
    if mistakes:
        raise UserError("\n".join(dict.fromkeys(mistakes)))
    composition = Composition(
        cells=tuple(cells),
        varying=_varying(jobs),
        directory=_named_directory(plain, multirun),
        sweeps=tuple(str(override.input_line) for override in added),
        adaptive=adaptive,
        plan_only=wanted[-1:] == ["only"],
    )
    return composition if study is None else _with_study(composition, study)


def _with_study(composition: Composition, study: Study) -> Composition:
    def distinct(key: str) -> list[Any]:
        levels = [_level(cell.config, key) for cell in composition.cells]
        return [level for i, level in enumerate(levels) if level not in levels[:i]]

    varying = {key: distinct(key) for key in composition.varying if key != studies.SEED}
    left = studies.narrowed(study, varying, distinct(studies.SEED))
    if wrong := studies.narrowing_problems(left):
        raise UserError("\n".join(wrong))
    return replace(composition, study=left)


def _apply(overrides: list[Override], base: dict[str, Any]) -> None:
    """Set what the command line says of the study: it decides which cells there are, so it counts before them."""
    for override in overrides:
        section, _, name = override.key_or_group.partition(".")
        if section in ("study", "metrics") and name in base[section] and not override.is_sweep_override():
            base[section][name] = override.value()


def _plan_mistakes(wanted: list[str], multirun: bool) -> list[str]:
    if any(value not in PLANS for value in wanted):
        return [f"plan={wanted[-1]} must be one of {', '.join(PLANS)}.{nearest(wanted[-1], PLANS)}"]
    if "only" in wanted and not multirun:
        return ["plan=only is for sweeps: add -m, or leave it out."]
    return []


def _adaptive(full: DictConfig) -> str | None:
    """The sweeper's name, unless it is Hydra's own, which takes every combination."""
    target = str(full.hydra.sweeper.get("_target_"))
    return None if target.endswith(".BasicSweeper") else target.rsplit(".", 1)[-1]


def _direction_mistakes(full: DictConfig, primary: str) -> list[str]:
    """A sweeper that chooses by the primary metric must look for the better end of it."""
    from editmgt.metrics import REGISTRY  # late: it imports torch

    direction = full.hydra.sweeper.get("direction")
    named = str(getattr(direction, "name", direction))
    wanted = {"higher": "maximize", "lower": "minimize"}.get(REGISTRY[primary].direction, named)
    if direction is None or named == wanted:
        return []
    return [
        f"hydra.sweeper.direction={named} would look for the worst {primary}: set hydra.sweeper.direction={wanted}."
    ]


def _jobs(overrides: list[Override], multirun: bool, adaptive: bool) -> list[list[str]]:
    """The overrides of every cell; of an adaptive sweep, those that hold every value and bound it names once."""
    if not multirun:
        return [[str(override.input_line) for override in overrides]]
    if not adaptive:
        return list(map(list, dict.fromkeys(map(tuple, BasicSweeper.split_arguments(overrides, None)[0]))))
    columns = {override.get_key_element(): _choices(override) for override in overrides}
    count = max(map(len, columns.values()), default=1)
    return [
        [f"{key}={values[min(i, len(values) - 1)]}" for key, values in columns.items()] for i in range(count)
    ]


def _choices(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    value = override.value()
    if isinstance(value, IntervalSweep):
        return [str(value.start), str(value.end)]
    return [str(text) for text in override.sweep_string_iterator()]


def _level(config: Mapping[str, Any], key: str) -> Any:
    """A cell's value of a key; of a group, its name."""
    node: Any = config
    for part in key.split("."):
        node = node[part]
    return node["name"] if isinstance(node, dict) else node


def _settable(known: Iterable[str]) -> set[str]:
    """What can be a factor: a single value, or a group that is known by a name of its own."""
    parents = {key.rpartition(".")[0] for key in known}
    return {key for key in known if key not in parents or f"{key}.name" in known} - {"study"}


def _group_choices(conf_dir: Path, overrides: list[Override]) -> list[str]:
    """Overrides that choose a file of a group, the first one where several are swept."""
    chosen = [override for override in overrides if _group(conf_dir, override.key_or_group) is not None]
    return [f"{override.get_key_element()}={_choices(override)[0]}" for override in chosen]


def _groups(conf_dir: Path) -> set[str]:
    return {path.name for path in conf_dir.iterdir() if path.is_dir()}


def _plain(config: DictConfig, resolve: bool = True) -> dict[str, Any]:
    """The same in plain containers."""
    container = OmegaConf.to_container(config, resolve=resolve, throw_on_missing=resolve)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


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
    return [f"Unknown key '{key}'.{_suggest(key, known | _groups(conf_dir))}"]


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
        group, _, name = str(error.missing_cfg_file or "").rpartition("/")
        if group == "benchmark":  # it follows the data
            raise UserError(
                f"data={name} has no benchmark of its own: add benchmark=NAME, one of {', '.join(options)}."
            ) from error
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
