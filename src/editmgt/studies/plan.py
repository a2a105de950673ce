"""Where everything goes: directories and cells named by content, written down before the first cell starts."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from editmgt.errors import UserError
from editmgt.files import read_json, write_json
from editmgt.studies.compose import Composition

RUNS, SWEEPS, TRAININGS = Path("outputs/runs"), Path("outputs/sweeps"), Path("outputs/trainings")
PLAN = "plan.json"
_LONGEST = 100  # characters of a directory's name


@dataclass(frozen=True)
class Plan:
    """A command's directory and its cells.

    Attributes:
        task: ``train`` or ``evaluate``.
        directory: of the run, or of the sweep.
        cells: name -> overrides, in the order they run; a single run has one, named ``""``.
    """

    task: str
    directory: Path
    cells: dict[str, tuple[str, ...]]

    @property
    def is_sweep(self) -> bool:
        """Whether the cells have directories of their own."""
        return "" not in self.cells

    def cell_directory(self, name: str) -> Path:
        """Where a cell writes."""
        return self.directory / name

    def name_of(self, overrides: Sequence[str]) -> str:
        """Return the cell that these overrides make; what no plan foresaw is named by its content."""
        for name, planned in self.cells.items():
            if sorted(planned) == sorted(overrides):
                return name
        return cell_name(overrides, [])


def make_plan(task: str, composition: Composition, multirun: bool) -> Plan:
    """Name the cells and choose the directory; nothing is created.

    Raises:
        UserError: for a directory named by the user that holds something else.
    """
    first = composition.cells[0].config
    named = composition.directory
    if not multirun:
        if named is not None and named.exists() and (not named.is_dir() or any(named.iterdir())):
            what = "holds another run" if (named / "status.json").is_file() else "is not empty"
            raise UserError(f"hydra.run.dir={named} {what}: name a new directory, or leave it out for one.")
        cells = {"": composition.cells[0].overrides}
        return Plan(task, named or RUNS / first["name"], cells)
    cells = {}
    for cell in composition.cells:
        cells[cell_name(cell.overrides, composition.varying)] = cell.overrides
    plan = Plan(task, named or SWEEPS / _sweep_name(task, first["name"], composition), cells)
    if named is not None and named.exists():
        if not (named / PLAN).is_file() and (not named.is_dir() or any(named.iterdir())):
            raise UserError(f"hydra.sweep.dir={named} is not empty and holds no sweep: name a new directory.")
        if (named / PLAN).is_file() and _content(read_plan(named)) != _content(plan):
            raise UserError(f"hydra.sweep.dir={named} holds another sweep: name a new directory.")
    return plan


def create(plan: Plan, named: bool) -> Plan:
    """Make the plan's directory: a sweep's and a named one as they are, a single run's with a new number."""
    if plan.is_sweep or named:
        plan.directory.mkdir(parents=True, exist_ok=True)
    else:
        plan = Plan(plan.task, _claim(plan.directory), plan.cells)
    cells = {name: list(overrides) for name, overrides in plan.cells.items()}
    write_json(plan.directory / PLAN, {"task": plan.task, "cells": cells})
    return plan


def read_plan(directory: Path) -> Plan:
    """Read the plan of a run or a sweep."""
    try:
        values = read_json(directory / PLAN)
        return Plan(
            values["task"], directory, {name: tuple(texts) for name, texts in values["cells"].items()}
        )
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise UserError(f"{directory} is no run and no sweep: it has no readable {PLAN}.") from error


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
    keys = "-".join(key.rsplit(".", 1)[-1] for key in composition.varying)
    head = re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(filter(None, (name, keys))))[:_LONGEST]
    return f"{head}-{_hash([task, sorted(sorted(cell.overrides) for cell in composition.cells)])}"


def _content(plan: Plan) -> Any:
    return plan.task, {name: sorted(overrides) for name, overrides in plan.cells.items()}


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
