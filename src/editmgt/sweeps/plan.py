"""Where everything goes: directories and cells named by content, written down before the first cell starts."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from editmgt.errors import UserError
from editmgt.lock import locked
from editmgt.results import RunDirectory, SweepDirectory, readable
from editmgt.results.sweep_directory import StoredPlan
from editmgt.sweeps.changes import changes
from editmgt.sweeps.compose import Composition

_LOCK = "plan"  # of a directory: whoever writes its plan
_LONGEST = 100  # characters of a directory's name


@dataclass(frozen=True)
class Plan:
    """A command's directory and its cells.

    Attributes:
        task: ``train`` or ``evaluate``.
        directory: of the run, or of the sweep.
        cells: name -> overrides, in the order they run; a single run has one, named ``""``.
        adaptive: whether a sweeper chooses the cells as it goes; ``cells`` are those that have begun.
    """

    task: str
    directory: Path
    cells: dict[str, tuple[str, ...]]
    adaptive: bool = False

    @property
    def is_sweep(self) -> bool:
        """Whether the cells have directories of their own."""
        return "" not in self.cells

    def cell_directory(self, name: str) -> Path:
        """Where a cell writes."""
        return self.directory / name

    def name_of(self, overrides: Sequence[str]) -> str:
        """Return the cell that these overrides make; what no plan foresaw is named by its content."""
        wanted = sorted(text.lstrip("+") for text in overrides)
        for name, planned in self.cells.items():
            if not self.adaptive and sorted(text.lstrip("+") for text in planned) == wanted:
                return name
        return cell_name(overrides, [])


def make_plan(task: str, composition: Composition, multirun: bool) -> Plan:
    """Name the cells and choose the directory; nothing is created.

    Raises:
        UserError: for a directory named by the user that holds something else.
    """
    first = composition.cells[0].config
    directory = composition.directory
    if not multirun:
        plan = Plan(task, directory, {"": composition.cells[0].overrides})
        _check_named(plan, composition)
        return plan
    cells = {}
    if composition.adaptive is None:
        cells = {cell_name(cell.overrides, composition.varying): cell.overrides for cell in composition.cells}
    if not composition.named:
        directory = directory.with_name(_sweep_name(task, first.name, composition))
    plan = Plan(task, directory, cells, composition.adaptive is not None)
    _check_named(plan, composition)
    return plan


def _check_named(plan: Plan, composition: Composition) -> None:
    """Raise a ``UserError`` where the user named a directory that holds anything but this very command's work."""
    named = composition.directory
    if not composition.named or not named.exists():
        return
    sweep = SweepDirectory(named)
    if sweep.has_plan():
        stored = sweep.plan()
        if (stored.task, _sorted(stored.cells)) == (plan.task, _sorted(_asked_for(plan, composition))):
            return
        if plan.is_sweep:
            raise UserError(_another_sweep(named, composition))
    elif named.is_dir() and all(path.name == f"{_LOCK}.lock" for path in named.iterdir()):
        return
    if plan.is_sweep:
        raise UserError(f"hydra.sweep.dir={named} is not empty and holds no sweep: name a new directory.")
    what = "holds another run" if RunDirectory(named).has_status() else "is not empty"
    raise UserError(f"hydra.run.dir={named} {what}: name a new directory, or leave it out for one.")


def _another_sweep(named: Path, composition: Composition) -> str:
    old, new = readable(SweepDirectory(named).study), composition.study
    found = changes(old.model_dump(), new.model_dump()) if old and new else []
    which = f" ({'; '.join(found)})" if found else ""
    return f"hydra.sweep.dir={named} holds another sweep{which}: name a new directory."


def create(plan: Plan, composition: Composition, layers: Iterable[int]) -> Plan:
    """Make the plan's directory: a sweep's and a named one as they are, a single run's with a new number.

    ``layers`` are the blocks whose attention maps the cells read: edits that are shared keep them all.

    Raises:
        UserError: for a named directory that another command took since it was looked at.
    """
    if not plan.is_sweep and not composition.named:
        plan = Plan(plan.task, _claim(plan.directory), plan.cells)
    sweep = SweepDirectory(plan.directory)
    stored = StoredPlan(plan.task, plan.adaptive, sorted(layers), _asked_for(plan, composition))
    with locked(plan.directory / _LOCK, lambda: None):  # held for a moment
        _check_named(plan, composition)  # another command, started at the same time, may have taken it
        sweep.write_plan(stored)
        if composition.study is not None:
            sweep.write_study(composition.study)
    return plan


def _asked_for(plan: Plan, composition: Composition) -> dict[str, list[str]]:
    """The overrides of every cell; of cells that are chosen as a sweep goes, the examples that bound them."""
    cells = (
        {str(i): cell.overrides for i, cell in enumerate(composition.cells)} if plan.adaptive else plan.cells
    )
    return {name: list(overrides) for name, overrides in cells.items()}


def read_layers(directory: Path) -> set[int]:
    """Return the blocks whose attention maps the cells of a sweep read."""
    return set(SweepDirectory(directory).plan().layers)


def read_plan(directory: Path) -> Plan:
    """Read the plan of a run or a sweep; a :class:`BrokenFile` where there is none."""
    sweep = SweepDirectory(directory)
    stored = sweep.plan()
    cells = {name: tuple(overrides) for name, overrides in sweep.planned().items()}
    return Plan(stored.task, directory, cells, stored.adaptive)


def cell_name(overrides: Sequence[str], varying: Sequence[str]) -> str:
    """Name a cell by the values of the keys that vary (by all of them, where none does)."""
    pairs = [text.lstrip("+~").partition("=")[::2] for text in overrides]
    shown = [(key, value) for key, value in pairs if key.split("@")[0] in varying] or pairs
    shown = [(key, value.lower() if value in ("True", "False") else value) for key, value in shown]
    lasts = [key.rsplit(".", 1)[-1] for key, _ in shown]
    parts = [
        f"{last if lasts.count(last) == 1 else key}-{value}"
        for (key, value), last in zip(shown, lasts, strict=True)
    ]
    name = "__".join(parts) or "default"
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")
    if safe != name or len(safe) > _LONGEST:  # what was lost must not make two cells one
        safe = f"{safe[:_LONGEST]}-{_hash(shown)}"
    return safe


def _sweep_name(task: str, name: str, composition: Composition) -> str:
    # a study has a name of its own; another sweep is known by what varies
    varying = () if composition.study else composition.varying
    keys = "-".join(key.rsplit(".", 1)[-1] for key in varying)
    head = re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(filter(None, (name, keys))))[:_LONGEST]
    content = [task, composition.adaptive, sorted(_lasting(cell.overrides) for cell in composition.cells)]
    return f"{head}-{_hash(content)}"


def _sorted(cells: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: _lasting(overrides) for name, overrides in cells.items()}


def _lasting(overrides: Sequence[str]) -> list[str]:
    """What makes a command the one it is, sorted: an interrupted one may be given again with ``resume=auto``."""
    return sorted(text for text in overrides if text != "resume=auto")


def _hash(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:8]


def _claim(base: Path) -> Path:
    """Make the first directory ``base-0001``, ``base-0002`` ... that does not exist; making it claims it."""
    base.parent.mkdir(parents=True, exist_ok=True)
    taken = [path.name.rsplit("-", 1)[-1] for path in base.parent.glob(f"{base.name}-*")]
    number = max((int(text) for text in taken if text.isdigit()), default=0)
    while True:
        number += 1
        directory = base.with_name(f"{base.name}-{number:04d}")
        try:
            directory.mkdir()
        except FileExistsError:
            continue
        return directory
