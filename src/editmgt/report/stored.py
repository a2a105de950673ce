"""What a run or a sweep left on disk, read back; whatever is broken makes its cell a failed one, with a line."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from editmgt.errors import UserError
from editmgt.metrics.registry import REGISTRY
from editmgt.results import BrokenFile, RunDirectory, SweepDirectory
from editmgt.results.reference import CONTROL_TITLES, ORACLE_MASK, SHIPPED
from editmgt.results.rows import COLUMNS
from editmgt.results.run_directory import CONFIG
from editmgt.results.sweep_directory import PLAN

WEIGHTS = "training_fingerprint"  # of a status: which editor it was


@dataclass(frozen=True)
class Line:
    """A row of the table.

    Attributes:
        name: of the cell, the shipped editor or the control.
        kind: ``cell``, ``reference`` or ``control``.
        run: the directory of its rows.
        status: what its ``status.json`` says; what cannot be read is ``failed`` here.
        metrics: what its ``metrics.json`` says; empty for a failed cell.
        config: what its ``config.yaml`` says; empty where there is none.
        overrides: that made the cell, by the plan.
        samples: the rows of its ``samples.csv``; None where nothing was edited.
    """

    name: str
    kind: str
    run: RunDirectory
    status: dict[str, Any]
    metrics: dict[str, float] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    samples: pd.DataFrame | None = None

    @property
    def state(self) -> str:
        """How it ended; what never started is ``missing``."""
        return str(self.status.get("state", "missing"))

    @property
    def unknown(self) -> list[str]:
        """Columns that no metric of this version explains."""
        names = [] if self.samples is None else self.samples.columns
        return [name for name in names if name not in (*COLUMNS, *REGISTRY)]


def collect(directory: Path) -> list[Line]:
    """Read every cell, then the references; the cells in the plan's order, then those that no plan foresaw.

    Raises:
        UserError: where ``directory`` holds neither a run nor a sweep.
    """
    lines = []
    for name, overrides in _cells(directory).items():
        lines.append(_line(name or directory.name, "cell", RunDirectory(directory / name), None, overrides))
    for benchmark, reference in SweepDirectory(directory).references():
        of_benchmark = f", {benchmark}" if benchmark else ""
        shipped = reference.shipped
        if shipped.has_metrics():
            lines.append(_line(f"{SHIPPED} (shipped){of_benchmark}", "reference", shipped))
        for control, title in CONTROL_TITLES.items():
            run = reference.control(control)
            if run.has_metrics():
                line = _line(title, "control", run, reference.controls)
                whose = _whose(line, lines) if control == ORACLE_MASK else ""
                lines.append(replace(line, name=f"{title}{whose}{of_benchmark}"))
    return lines


def _whose(control: Line, above: Sequence[Line]) -> str:
    """Whose edits a control is made of, where several editors stand above it."""
    editors = {line.status.get(WEIGHTS): line.name for line in reversed(above) if line.kind != "control"}
    own = control.status.get(WEIGHTS)
    return f" of {editors[own]}" if len(editors) > 1 and own in editors else ""


def _cells(directory: Path) -> dict[str, tuple[str, ...]]:
    sweep = SweepDirectory(directory)
    planned = {name: tuple(made_by) for name, made_by in sweep.planned().items()} if sweep.has_plan() else {}
    if "" in planned:
        return planned
    cells = planned | {name: () for name in sweep.cells() if name not in planned}
    if not cells and (directory / CONFIG).is_file():
        return {"": ()}
    if not cells:
        raise UserError(f"{directory} is no run and no sweep: it has no {PLAN} and no cell with a {CONFIG}.")
    return cells


def _line(
    name: str,
    kind: str,
    run: RunDirectory,
    owner: RunDirectory | None = None,
    overrides: tuple[str, ...] = (),
) -> Line:
    """A row; ``owner`` has the status of runs that have none of their own."""
    status, config = {}, {}
    try:
        status = (owner or run).status()
        config = run.config()
        if status.get("state") != "done":
            return Line(name, kind, run, status, config=config, overrides=overrides)
        metrics, samples = run.results()
    except (OSError, BrokenFile) as error:
        status = status | {"state": "failed", "error": " ".join(str(error).split())}
        return Line(name, kind, run, status, config=config, overrides=overrides)
    return Line(name, kind, run, status, metrics, config, overrides, samples)
