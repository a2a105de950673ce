"""What a sweep is judged by, and where a sweeper remembers it: both have to work before the first edit is made."""

from collections.abc import Collection, Iterator
from importlib.metadata import version
from typing import Any

from editmgt.config import PRIMARY, Config
from editmgt.config.schema import Train
from editmgt.errors import UserError

# what a benchmark may lack -> the fields of a batch of edits that are made of it
_FIELDS = {"target": {"target"}, "edit_mask": {"edit_mask", "outside"}}


def primary(config: Config) -> str:
    """Return the metric that a sweep is about."""
    return config.study.primary if config.study else PRIMARY


def check_objective(config: Config, adaptive: str | None) -> None:
    """Raise a ``UserError`` where a cell cannot have the metric that its sweep is judged by.

    ``adaptive`` names the sweeper that chooses the next cells by it. A sweep that nobody judges by one metric has none.
    """
    if config.study is None and adaptive is None:
        return
    from editmgt.report.question import why_no_effects  # late: it imports torch

    name, compares = primary(config), adaptive is None  # a sweeper may choose by any mean
    if compares and (why := why_no_effects(name)):
        told = _computed(config, compares)
        raise UserError(
            f"study.primary={name} has no effects: {why}. Choose one that is computed here: {told}."
        )
    what = f"study.primary={name}" if config.study else f"{adaptive} chooses by {name}, which"
    if reason := _reason(name, config):
        told = _computed(config, compares)
        where = "" if config.study else "; the study of an experiment=NAME may name another as study.primary"
        raise UserError(f"{what} is not computed: {reason}. Computed here: {told}{where}.")


def _reason(name: str, config: Config) -> str:
    """Why no row can have a metric; empty where some may."""
    from editmgt.metrics import chosen, scorer_of  # late: it imports torch

    if isinstance(config, Train) and not config.edits:
        return f"model={config.model.name} edits nothing"
    if name not in chosen(config.metrics):
        return "metrics leaves it out"
    if why := scorer_of(config.metrics).not_run.get(name):
        return why.rstrip(".")
    lacking = _lacking(name, _lacks(config))
    return f"benchmark={config.benchmark.name} has no {' and no '.join(lacking)}" if lacking else ""


def _computed(config: Config, compares: bool) -> str:
    """The metrics that rows may have, of a sweep that compares cells those that have effects, as text."""
    from editmgt.metrics import chosen
    from editmgt.report.question import why_no_effects

    names = [name for name in chosen(config.metrics) if not _reason(name, config)]
    return ", ".join(name for name in names if not (compares and why_no_effects(name))) or "none"


def _lacking(name: str, lacks: Collection[str]) -> list[str]:
    from editmgt.metrics import REGISTRY

    reads = set(REGISTRY[name].reads)
    if REGISTRY[name].of_set:  # compares with the sources, where there are no targets
        return []
    return [field.replace("_", " ") for field in _FIELDS if field in lacks and reads & _FIELDS[field]]


def _lacks(config: Config) -> Collection[str]:
    from editmgt.benchmarks import build

    return tuple(getattr(build(config.benchmark), "lacks", ()))


def storage_mistakes(storage: Any) -> Iterator[str]:
    """Yield what keeps a sweeper from remembering its trials in ``hydra.sweeper.storage``; nothing is created.

    optuna 2.10.1, which hydra-optuna-sweeper wants, makes no tables with SQLAlchemy 2 and says so by an assertion.
    """
    if not isinstance(storage, str):
        return
    installed = version("sqlalchemy")
    if int(installed.split(".")[0]) >= 2:
        yield (
            f"hydra.sweeper.storage={storage} needs SQLAlchemy under 2, and {installed} is installed: "
            "pip install 'sqlalchemy<2' 'alembic<1.20'."
        )
        return
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError

    try:
        create_engine(storage)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        yield f"hydra.sweeper.storage={storage} cannot be used: {str(error).splitlines()[0]}. Write sqlite:///trials.db."
