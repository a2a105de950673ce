"""What a sweep asks: which factors over which seeds, judged by what, compared with which cell."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import yaml
from hydra.core.override_parser.types import Quote, QuotedString

from editmgt.analysis.contrasts import circle
from editmgt.config import Study, mistakes, show
from editmgt.errors import nearest

SEED = "seed"  # varies in a study, and is no factor: it tells how far a difference can be trusted


def problems(values: Any, known: Collection[str], metric_names: Sequence[str] | None) -> list[str]:
    """Return everything wrong with the ``study`` section of a configuration, a line each.

    Args:
        values: the section, plain.
        known: keys and groups that a command line can set.
        metric_names: of all that are computed; None: the default ones.
    """
    if found := mistakes(Study, values, "study"):
        return found
    study = Study.model_validate(values)
    return [*_factor_problems(study, known), *_primary_problems(study.primary, metric_names)]


def _factor_problems(study: Study, known: Collection[str]) -> Iterator[str]:
    for key in study.factors:
        if key not in known:
            yield f"study.factors: there is no key '{key}'.{nearest(key, known)}"
    if math.prod(len(values) for values in study.factors.values()) < 2:
        yield "study.factors makes one cell: a study compares at least two."
    yield from _cell_problems("study.baseline", study.baseline, study)
    for key in study.factors:
        if key not in study.baseline:
            yield f"study.baseline says nothing of {key}: it needs a value for every factor."
    for key, conditions in study.acts_through.items():
        if key not in study.factors:
            yield f"study.acts_through: '{key}' is no factor of this study.{nearest(key, study.factors)}"
        yield from _cell_problems(f"study.acts_through.{key}", conditions, study)
    if found := circle(study.acts_through):
        yield f"study.acts_through goes round in a circle, {' → '.join(found)}: leave one of them out."


def _cell_problems(where: str, cell: Mapping[str, Any], study: Study) -> Iterator[str]:
    """What is wrong with values that name a cell, or a part of the cells."""
    for key, value in cell.items():
        if key not in study.factors:
            yield f"{where}: '{key}' is no factor of this study.{nearest(key, study.factors)}"
            continue
        choices = [show(choice) for choice in study.factors[key]]
        if show(value) not in choices:
            near = nearest(show(value), choices)
            yield f"{where}: {key}={show(value)} is not one of its values ({', '.join(choices)}).{near}"


def _primary_problems(primary: str, metric_names: Sequence[str] | None) -> Iterator[str]:
    from editmgt.metrics import REGISTRY  # late: it imports torch
    from editmgt.report.question import why_no_effects  # of these `objective.check_objective` says more

    if primary not in REGISTRY:
        yield f"study.primary: there is no metric '{primary}'.{nearest(primary, REGISTRY)}"
    elif metric_names is not None and primary not in metric_names and not why_no_effects(primary):
        yield f"study.primary={primary} is not computed: metrics leaves it out."


def sweeps(study: Study, already: Collection[str]) -> list[str]:
    """Return the study as sweep overrides, without the keys that the command line sets ``already``."""
    values = {**study.factors, SEED: study.seeds}
    return [
        f"{key}={','.join(_literal(choice) for choice in choices)}"
        for key, choices in values.items()
        if key not in already
    ]


def narrowed(study: Study, varying: Mapping[str, list[Any]], seeds: list[int]) -> Study:
    """Return what is left of a study on its command line, and what that adds.

    Args:
        study: as the configuration has it.
        varying: key -> values, of every key that takes more than one, the seed apart.
        seeds: all that run.
    """
    through = {
        key: {other: value for other, value in conditions.items() if other in varying}
        for key, conditions in study.acts_through.items()
        if key in varying
    }
    baseline = {key: study.baseline.get(key, values[0]) for key, values in varying.items()}
    acts_through = {key: conditions for key, conditions in through.items() if conditions}
    changed = {"factors": varying, "acts_through": acts_through, "seeds": seeds, "baseline": baseline}
    return study.model_copy(update=changed)


def narrowing_problems(study: Study) -> list[str]:
    """Return what the command line took away that the study needs."""
    if not study.factors:
        return ["the command line leaves one cell of the study: a study compares at least two."]
    return [*_cell_problems("study.baseline", study.baseline, study)]


def _literal(value: Any) -> str:
    """A value as Hydra's override grammar reads it back; a plain word is left as it is, for cells are named by it."""
    if isinstance(value, str):
        if value.isidentifier() and value.lower() not in ("nan", "inf") and yaml.safe_load(value) == value:
            return value
        return str(QuotedString(value, Quote.single).with_quotes())
    if isinstance(value, list):
        return f"[{','.join(map(_literal, value))}]"
    return show(value)
