"""Cells that another process runs, such as the same command on another GPU: left to it, and waited for in the end."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NoReturn

from editmgt.config import Config
from editmgt.config.schema import Train
from editmgt.lock import locked
from editmgt.stores.identity import training_directory
from editmgt.sweeps.compose import Composition
from editmgt.sweeps.plan import Plan
from editmgt.sweeps.status import status_of

LEFT = "left to another process"  # what a cell returns that was


class RunElsewhere(Exception):
    """Another process has what a cell needs, and other cells can be run meanwhile."""


def leave() -> NoReturn:
    """What is done instead of waiting for a lock."""
    raise RunElsewhere


def needed(config: Config, directory: Path, owner: Path) -> Iterator[Path]:
    """Yield what is locked while a cell in ``directory`` runs: it, and its training, which ``owner``'s cells may share."""
    yield directory / "cell"
    if isinstance(config, Train):
        yield training_directory(config, owner)


def wait_for_others(plan: Plan, composition: Composition, say: Callable[[str], None]) -> None:
    """Wait until no other process has any cell that is not done, or its training."""
    for name, cell in zip(plan.cells, composition.cells, strict=True):
        directory = plan.cell_directory(name)
        if status_of(directory).get("state") != "done":
            for lock in needed(cell.config, directory, plan.directory):
                with locked(lock, partial(say, f"{name}: waiting for the process that runs it")):
                    pass
