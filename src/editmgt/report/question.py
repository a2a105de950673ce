"""What a sweep asks: from its ``study.yaml``, or else from what its cells vary."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from editmgt import config
from editmgt.analysis.contrasts import Design, Factor, Levels, circle, same
from editmgt.analysis.effects import Seed
from editmgt.config import PRIMARY, show
from editmgt.config.keys import acts_through, marked
from editmgt.errors import UserError, nearest
from editmgt.metrics.registry import REGISTRY
from editmgt.report.stored import Line
from editmgt.results import SweepDirectory
from editmgt.results.sweep_directory import STUDY
from editmgt.settings.declaration import Mark


@dataclass(frozen=True)
class Study:
    """A sweep's question.

    Attributes:
        design: factors and what acts through what.
        primary: the metric that decides.
        places: each cell's levels and training seed; a cell without a place is not there.
        planned: every (levels, seed) that the plan or the study names.
        seeds: of trainings; ``(None,)`` where nothing is trained.
        full_factorial: whether every combination of levels is planned, so that main effects mean something.
        notes: what could not be placed, a line each.
    """

    design: Design
    primary: str
    places: dict[str, tuple[Levels, Seed]]
    planned: frozenset[tuple[Levels, Seed]]
    seeds: tuple[Seed, ...]
    full_factorial: bool
    notes: tuple[str, ...]


def read_study(directory: Path, lines: Sequence[Line]) -> Study:
    """Read or derive the question of the cells among ``lines``.

    Raises:
        UserError: for a study file that names what does not exist.
    """
    cells = [line for line in lines if line.kind == "cell"]
    settings = {line.name: found for line in cells if (found := _settings(line, cells)) is not None}
    path = directory / STUDY
    asked = SweepDirectory(directory).study()
    if asked:
        design = _design(path, asked, settings)
    else:
        factors = _derive(settings, cells)
        design = Design(factors, _gates(factors, acts_through()))
    primary = asked.primary if asked else PRIMARY
    if primary not in REGISTRY:
        raise UserError(f"{path}: primary={primary} is no metric.{nearest(primary, REGISTRY)}")
    rows = [line.samples for line in cells if line.samples is not None]
    scored = [name for name in REGISTRY if not why_no_effects(name) and any(name in of for of in rows)]
    notes = []
    if scored and primary not in scored:
        why = f"has no effects ({reason})" if (reason := why_no_effects(primary)) else "was not scored"
        other = PRIMARY if PRIMARY in scored else scored[0]
        notes.append(f"the primary metric {primary} {why}: {other} stands in its place")
        primary = other
    places = {}
    for line in cells:
        if line.name not in settings:
            notes.append(f"{line.name}: its settings are not known, it has no place among the factors")
            continue
        place = _place(design, settings[line.name])
        if isinstance(place, str):
            notes.append(f"{line.name}: {place}, which {STUDY} does not name: left out of the effects")
        else:
            places[line.name] = place, _training_seed(settings[line.name])
    seeds = tuple(dict.fromkeys(seed for _, seed in places.values()))
    if asked and seeds != (None,):
        seeds = tuple(dict.fromkeys([*seeds, *asked.seeds]))
    planned = set(places.values())
    if asked:
        planned |= {(levels, seed) for levels in design.combinations() for seed in seeds}
    known = {design.canonical(levels) for levels, _ in planned}
    full = all(design.canonical(levels) in known for levels in design.combinations())
    return Study(design, primary, places, frozenset(planned), seeds, full, tuple(notes))


def why_no_effects(metric: str) -> str:
    """Return why a metric has means and no effects, which are paired by sample; empty where it has both."""
    if metric.startswith("speed/"):
        return "a time is of a whole batch, on a machine as it was"
    return "it is one number for all edits of a cell" if REGISTRY[metric].of_set else ""


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return dotted key -> value; lists stay whole."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, f"{name}.") if isinstance(value, dict) and value else {name: value}
    return flat


def _settings(line: Line, cells: Sequence[Line]) -> dict[str, Any] | None:
    """A cell's flat config, and the groups it chose by name; of one that never started, what can be told of it."""
    parsed = OverridesParser.create().parse_overrides([*line.overrides])  # YAML takes 1e-4 for a text
    overrides = {override.key_or_group: override.value() for override in parsed}
    if line.config:
        flat = flatten(line.config)
        return flat | {key: value for key, value in overrides.items() if key not in flat}
    known = next((flatten(other.config) for other in cells if other.config), None)
    if not overrides or known is None or any(key not in known for key in overrides):
        return None  # what a group's file sets is not known here
    return known | overrides


def _training_seed(flat: dict[str, Any]) -> Seed:
    """None where nothing is trained: there ``seed`` is of the edits' noise, which the rows tell."""
    return None if flat.get("task") == "evaluate" else flat.get("seed")


def _design(path: Path, asked: config.Study, settings: dict[str, dict[str, Any]]) -> Design:
    baseline, names = asked.baseline, list(asked.factors)
    if unknown := [key for key in baseline if key not in names]:
        raise UserError(
            f"{path}: baseline names {unknown[0]}, which is no factor.{nearest(unknown[0], names)}"
        )
    keys = list(dict.fromkeys(key for flat in settings.values() for key in flat))
    factors = []
    for key, levels in asked.factors.items():
        if keys and key not in keys and f"{key}.name" not in keys:
            raise UserError(f"{path}: factors names {key}, which no cell has.{nearest(key, keys)}")
        first = baseline.get(key, levels[0])
        if same(first) not in map(same, levels):
            choices = ", ".join(map(show, levels))
            raise UserError(
                f"{path}: baseline {key}={show(first)} is none of the factor's values ({choices})."
            )
        factors.append(_factor(key, (first, *levels)))
    for key, gates in asked.acts_through.items():
        for other, value in gates.items():
            factor = next((factor for factor in factors if factor.key == other), None)
            if factor is not None and factor.level(value) is None:
                raise UserError(
                    f"{path}: acts_through: {key} acts where {other}={show(value)}, which is no value of that factor."
                )
    through = {
        key: {other: (value,) for other, value in gates.items()} for key, gates in asked.acts_through.items()
    }
    gates = _gates(factors, through)
    if found := circle(gates):
        raise UserError(
            f"{path}: acts_through goes round in a circle, {' → '.join(found)}: leave one of them out."
        )
    return Design(tuple(factors), gates)


def _factor(key: str, values: Sequence[Any]) -> Factor:
    distinct: dict[str, Any] = {}
    for value in values:
        distinct.setdefault(same(value), value)
    return Factor(key, tuple(distinct.values()), tuple(map(show, distinct.values())))


def _gates(
    factors: Sequence[Factor], acts_through: dict[str, dict[str, tuple[Any, ...]]]
) -> dict[str, dict[str, frozenset[int]]]:
    """The conditions among factors that vary, as levels; what is held fixed, or met by every level, conditions nothing."""
    by_key = {factor.key: factor for factor in factors}
    found: dict[str, dict[str, frozenset[int]]] = {}
    for key in by_key:
        for other, values in acts_through.get(key, {}).items():
            if factor := by_key.get(other):
                met = frozenset(level for v in values if (level := factor.level(v)) is not None)
                if 0 < len(met) < len(factor.values):
                    found.setdefault(key, {})[other] = met
    return found


def _derive(settings: dict[str, dict[str, Any]], cells: Sequence[Line]) -> tuple[Factor, ...]:
    """The keys that differ between cells; keys that always differ together are one factor, named by one of them.

    What a key of the command line decides, as a group's file does its settings, is no factor beside it.
    """
    flats = list(settings.values())
    swept = {text.lstrip("+").partition("=")[0] for line in cells for text in line.overrides}
    no_factors = {"task", *marked(Mark.REPLICATE), *(marked(Mark.RUNNING, Mark.MEASURED) - swept)}
    asked = {key: [same(flat.get(key)) for flat in flats] for key in swept - no_factors}
    found: dict[tuple[int, ...], Factor] = {}
    seeds = [same(_training_seed(flat)) for flat in flats]
    for key in dict.fromkeys(key for flat in flats for key in flat):
        if key in no_factors or key.partition(".")[0] in {*no_factors, "hydra"}:
            continue
        texts = [same(flat.get(key)) for flat in flats]
        distinct = list(dict.fromkeys(texts))
        if len(distinct) < 2 or len(set(zip(seeds, texts, strict=True))) == len(set(seeds)) > 1:
            continue  # the same everywhere, or decided by the seed
        if key not in swept and any(len({*zip(t, texts, strict=True)}) == len({*t}) for t in asked.values()):
            continue
        partition = tuple(distinct.index(text) for text in texts)
        values = tuple(next(f.get(key) for f in flats if same(f.get(key)) == text) for text in distinct)
        if partition not in found or (key in swept and found[partition].key not in swept):
            found[partition] = _factor(key, values)
    return tuple(found.values())


def _place(design: Design, flat: dict[str, Any]) -> Levels | str:
    """The levels of a cell; else the setting that has none."""
    levels = []
    for factor in design.factors:
        value = flat.get(factor.key, flat.get(f"{factor.key}.name"))
        level = factor.level(value)
        if level is None:
            return f"{factor.key}={show(value)}"
        levels.append(level)
    return tuple(levels)
