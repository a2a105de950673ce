"""From a command line to composed, validated cells; every mistake is found here, before any work."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, cast

from hydra import initialize_config_dir
from hydra.core.override_parser.types import IntervalSweep, Override
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from editmgt.config import PRIMARY, Config, Study, hydra_problems, parse_config, problems
from editmgt.config.schema import Evaluate, Precision, Train
from editmgt.errors import UserError, as_one, nearest, tell
from editmgt.sweeps import study as studies
from editmgt.sweeps.composer import Composer, composed, first_line, plain
from editmgt.sweeps.objective import storage_mistakes
from editmgt.sweeps.overrides import (
    choices,
    flatten,
    group_choices,
    group_mistakes,
    is_group,
    is_hydra,
    keep,
    key_mistakes,
    parse,
)

PLAN_KEY, PLANS = "plan", ("run", "only")  # what to do with a sweep: not a part of any cell
_OTHER_MACHINES = ("SlurmLauncher", "RayLauncher", "RayAWSLauncher")  # Hydra launchers that run cells there
_WHOLE = ("experiment=", "debug=")  # groups whose files set up a whole command
_DIRECTORY = ("hydra.run.dir", "hydra.sweep.dir")  # without -m, and with it


@dataclass(frozen=True)
class Composed:
    """A cell: the overrides that make it, and the configuration they compose to."""

    overrides: tuple[str, ...]
    config: Config


@dataclass(frozen=True)
class Composition:
    """Everything one command asks for.

    Attributes:
        cells: in the order they run; of an adaptive sweep, examples of what it may come to.
        varying: keys that take more than one value.
        directory: ``hydra.run.dir`` or ``hydra.sweep.dir``, as the first cell has it.
        named: whether the command line names it, so that it is taken as it is.
        study: what a sweep compares, where its configuration says so.
        sweeps: what the study, and a sweeper that draws, add to the command line.
        adaptive: the sweeper's name where it chooses the cells as it goes; None where they are known.
        plan_only: whether to print the plan and stop.
        notes: what this machine makes of the cells, a line each.
        elsewhere: whether a launcher runs the cells on other machines, which may have what this one has not.
    """

    cells: tuple[Composed, ...]
    varying: tuple[str, ...]
    directory: Path
    named: bool = False
    study: Study | None = None
    sweeps: tuple[str, ...] = ()
    adaptive: str | None = None
    plan_only: bool = False
    notes: tuple[str, ...] = ()
    elsewhere: bool = False


def compose_all(conf_dir: Path, task: str, arguments: list[str], multirun: bool) -> Composition:
    """Compose and validate every cell of a command.

    Raises:
        UserError: one line per mistake, each once, of all cells.
    """
    overrides = parse(arguments)
    if not multirun and any(override.is_sweep_override() for override in overrides):
        raise UserError(_add_m(overrides))
    mistakes: list[str] = []
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_dir)):
        overrides = keep(overrides, lambda override: group_mistakes(conf_dir, task, override), mistakes)
        groups = group_choices(conf_dir, overrides)
        if misplaced := _misplaced(conf_dir, task, groups):
            raise as_one([*mistakes, *misplaced])
        base = plain(composed(task, groups), resolve=False)
        known = set(flatten(base))
        others = partial(_other_keys, conf_dir, task)
        overrides = keep(overrides, lambda o: key_mistakes(conf_dir, task, known, others, o), mistakes)
        study = _study(base, overrides, known, multirun, mistakes)
        added = [] if study is None else parse(studies.sweeps(study, {o.key_or_group for o in overrides}))
        hydras = [str(o.input_line) for o in overrides if is_hydra(o) and not o.is_sweep_override()]
        try:
            full = composed(task, [*hydras, *groups], hydra=True)
        except UserError as error:
            raise as_one([*mistakes, str(error)]) from error
        mistakes += hydra_problems(plain(full.hydra, resolve=False))
        adaptive = _adaptive(full) if multirun else None
        if adaptive is not None:
            mistakes += _direction_mistakes(full, study.primary if study else PRIMARY)
            mistakes += storage_mistakes(full.hydra.sweeper.get("storage"))
        params = full.hydra.sweeper.get("params") if multirun else None
        swept = parse([f"{key}={value}" for key, value in (params or {}).items()])
        swept += [o for o in overrides if not is_hydra(o) and o.key_or_group != PLAN_KEY]
        jobs = _jobs([*swept, *added], multirun, adaptive is not None)
        if not jobs:
            empty = [o for o in swept if o.is_sweep_override() and not choices(o)]
            raise as_one([*mistakes, *(f"{o.input_line} names no value." for o in empty)])
        composer = Composer(conf_dir, task)
        found = [_cell(composer, job, mistakes) for job in jobs]
        wanted = [str(override.value()) for override in overrides if override.key_or_group == PLAN_KEY]
        mistakes += [*_plan_mistakes(wanted, multirun), *_directory_mistakes(overrides, multirun)]
        tell(mistakes)
        directory = _directory(task, [*hydras, *jobs[0]], multirun)
    cells, notes = zip(*filter(None, found), strict=True)
    if multirun and any(cell.config.study != cells[0].config.study for cell in cells):
        named = [
            str(o.input_line) for o in swept if o.is_sweep_override() and is_group(conf_dir, o.key_or_group)
        ]
        raise UserError(
            f"{' '.join(named)}: a sweep answers one study, and these files ask several: run one after the other."
        )
    composition = Composition(
        cells=cells,
        varying=_varying(jobs),
        directory=directory,
        named=any(override.key_or_group == _DIRECTORY[multirun] for override in overrides),
        sweeps=(
            *(str(override.input_line) for override in added),
            *(_sampler_seed(full) if adaptive else ()),
        ),
        adaptive=adaptive,
        plan_only=wanted[-1:] == ["only"],
        notes=tuple(dict.fromkeys(filter(None, notes))),
        elsewhere=multirun and str(full.hydra.launcher.get("_target_")).endswith(_OTHER_MACHINES),
    )
    return composition if study is None else _with_study(composition, study)


def _other_keys(conf_dir: Path, task: str) -> dict[str, set[str]]:
    """The keys of every other command, by its name."""
    names = sorted(path.stem for path in conf_dir.glob("*.yaml"))
    return {name: {*flatten(plain(composed(name, []), resolve=False))} for name in names if name != task}


def _add_m(overrides: list[Override]) -> str:
    return "\n".join(
        f"{override.input_line} names several values: add -m to run one cell for each."
        for override in overrides
        if override.is_sweep_override()
    )


def _misplaced(conf_dir: Path, task: str, groups: list[str]) -> list[str]:
    """What is wrong with files that set up a whole command, and are for another one."""
    whole = [text for text in groups if text.startswith(_WHOLE)]
    if not whole:
        return []
    own = set(composed(task, []))

    def misfit(text: str) -> str:
        try:
            foreign = sorted({*map(str, composed(task, [text]))} - own)
        except UserError as error:
            return f"cannot be a part of {task}.py: {error}"
        return f"sets {', '.join(foreign)}, which {task}.py does not have." if foreign else ""

    found = []
    for text in whole:
        if why := misfit(text):
            files = sorted((conf_dir / text.partition("=")[0]).glob("*.yaml"))
            fitting = [path.stem for path in files if not misfit(f"{path.parent.name}={path.stem}")]
            found.append(f"{text} {why} Made for it: {', '.join(fitting)}.")
    return found


def _study(
    base: dict[str, Any], overrides: list[Override], known: set[str], multirun: bool, mistakes: list[str]
) -> Study | None:
    """The study that the configuration holds: it decides which cells there are, so its mistakes come first."""
    alone = any(o.key_or_group == "study" and o.value() is None for o in overrides)  # a cell of it, by itself
    if base.get("study") is None or alone:
        return None
    _apply(overrides, base)
    computed = base["metrics"]["names"] or base["metrics"]["preset"]
    if found := [*mistakes, *studies.problems(base["study"], _settable(known), computed)]:
        raise as_one(found)
    study = Study.model_validate(base["study"])
    if not multirun:
        raise UserError(f"{base['name']} is a study, a sweep over {', '.join(study.factors)}: add -m.")
    return study


def _cell(composer: Composer, job: list[str], mistakes: list[str]) -> tuple[Composed, str] | None:
    """A cell and what is to be said of it; None where it cannot be composed or is wrong."""
    try:
        node = composer.compose(job)
        if missing := sorted(OmegaConf.missing_keys(node)):
            mistakes += [f"{key} has no value: write {key}=VALUE." for key in missing]
            return None
        values = plain(node)
    except OmegaConfBaseException as error:
        mistakes.append(first_line(error))
        return None
    if found := _without_echoes(problems(values), {key_of(text) for text in job}):
        mistakes += found
        return None
    config = parse_config(values)
    note = settle(config)
    return Composed(tuple(job), config), note


def settle(config: Config) -> str:
    """Put what this machine decides into a valid configuration; return a line that says so, or an empty one.

    Fingerprints, stored configurations and every process of a training then hold one and the same value.
    """
    # late: they import torch
    from editmgt.devices import emulation_warning, resolve_devices, resolve_precision

    if isinstance(config, Evaluate):
        asked = config.dtype == "bfloat16"
        return emulation_warning("dtype=bfloat16", config.device) if asked else ""
    if isinstance(config, Train):
        trainer = config.trainer
        trainer.devices = resolve_devices(trainer.accelerator, trainer.devices)
        precision, note = resolve_precision(trainer.accelerator, trainer.precision)
        trainer.precision = cast(Precision, precision)
        return note
    return ""


def _without_echoes(found: list[str], named: set[str]) -> list[str]:
    """Without the lines of keys that only follow one of the command line, as ``data.resolution`` follows the model's."""

    def parts(line: str) -> tuple[str, tuple[str, str]]:
        key, _, rest = line.partition("=")
        return key, (key.rsplit(".", 1)[-1], rest)

    told = {said for key, said in map(parts, found) if key in named}
    return [line for line in found if (key := parts(line))[0] in named or key[1] not in told]


def _with_study(composition: Composition, study: Study) -> Composition:
    configs = [cell.config.model_dump() for cell in composition.cells]

    def distinct(key: str) -> list[Any]:
        levels = [_level(config, key) for config in configs]
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


def _sampler_seed(full: DictConfig) -> list[str]:
    """A seed for a sampler without one: only then does the same command ask for the same cells again."""
    key = "sweeper.sampler.seed"
    unset = (
        OmegaConf.select(full.hydra, "sweeper.sampler") is not None
        and OmegaConf.select(full.hydra, key) is None
    )
    return [f"hydra.{key}=0"] if unset else []


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
    columns: dict[str, list[str]] = {}
    for override in overrides:
        key = override.get_key_element()
        if not adaptive and isinstance(override.value(), IntervalSweep):
            raise UserError(
                f"{override.input_line}: an interval is for a sweeper that chooses as it goes, such as "
                "hydra/sweeper=optuna; here write the values: "
                f"{key}=VALUE,VALUE."
            )
        columns[key] = [f"{key}={text}" for text in choices(override)]
    if not adaptive:
        return list(map(list, dict.fromkeys(product(*columns.values()))))
    count = max(map(len, columns.values()), default=1)
    return [[texts[min(i, len(texts) - 1)] for texts in columns.values()] for i in range(count)]


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


def key_of(text: str) -> str:
    """Return the key that an override sets."""
    return text.split("=", 1)[0].lstrip("+~").split("@")[0]


def _varying(jobs: list[list[str]]) -> tuple[str, ...]:
    values: dict[str, set[str]] = {}
    for job in jobs:
        for text in job:
            values.setdefault(key_of(text), set()).add(text)
    return tuple(key for key, texts in values.items() if len(texts) > 1)


def _directory_mistakes(overrides: list[Override], multirun: bool) -> Iterator[str]:
    """Keys of Hydra's that nobody would read, or by which cells would write elsewhere than the plan says."""
    right, wrong = _DIRECTORY[multirun], _DIRECTORY[not multirun]
    for override in overrides:
        if override.key_or_group == wrong:
            yield f"{override.input_line}: {'with' if multirun else 'without'} -m the directory is named by {right}."
        if override.key_or_group in ("hydra.sweep.subdir", "hydra.job.chdir"):
            yield (
                f"{override.input_line} is not supported: cells name their own directories and work where the command was "
                "started."
            )


def _directory(task: str, overrides: list[str], multirun: bool) -> Path:
    try:
        return Path(str(OmegaConf.select(composed(task, overrides, hydra=True), _DIRECTORY[multirun])))
    except OmegaConfBaseException as error:
        raise UserError(first_line(error)) from error
