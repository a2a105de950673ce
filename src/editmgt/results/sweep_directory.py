"""The directory of a sweep, or of a single run: its plan, its question, its cells and what stands beside them."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from editmgt.config.schema import Study
from editmgt.files import write_atomic, write_json
from editmgt.results.broken import BrokenFile, json_object, yaml_object
from editmgt.results.reference import CONTROLS, SHIPPED, Reference
from editmgt.results.run_directory import CONFIG, RunDirectory
from editmgt.settings.mistakes import mistakes

PLAN, STUDY = "plan.json", "study.yaml"
REFERENCE = "reference"  # folder of what stands beside the cells
PAIRWISE = "pairwise"  # folder of cells that a judge compared, a folder for each benchmark


@dataclass(frozen=True)
class StoredPlan:
    """What a command is going to do.

    Attributes:
        task: ``train`` or ``evaluate``.
        adaptive: whether a sweeper chooses the cells as it goes.
        layers: blocks whose attention maps the cells read.
        cells: name -> overrides, in the order they run; of an adaptive sweep, examples that bound them.
    """

    task: str
    adaptive: bool
    layers: list[int]
    cells: dict[str, list[str]]


@dataclass(frozen=True)
class SweepDirectory:
    """What a command leaves in ``path`` beside its cells."""

    path: Path

    def has_plan(self) -> bool:
        """Whether a plan was written, whole or not."""
        return (self.path / PLAN).is_file()

    def plan(self) -> StoredPlan:
        """The plan; a :class:`BrokenFile` where there is none that can be read."""
        try:
            values = json_object(self.path / PLAN)
            cells = {name: [*map(str, overrides)] for name, overrides in values["cells"].items()}
            return StoredPlan(
                values["task"], values.get("adaptive", False), [*values.get("layers", [])], cells
            )
        except (OSError, BrokenFile, KeyError, AttributeError, TypeError) as error:
            raise BrokenFile(f"{self.path} is no run and no sweep: it has no readable {PLAN}.") from error

    def write_plan(self, plan: StoredPlan) -> None:
        """Keep the plan, before the first cell starts."""
        write_json(self.path / PLAN, asdict(plan))

    def study(self) -> Study | None:
        """What the sweep asks; None where nobody said."""
        if not (self.path / STUDY).is_file():
            return None
        values = yaml_object(self.path / STUDY)
        if found := mistakes(Study, values):
            raise BrokenFile(f"{self.path / STUDY}: {' '.join(found)}")
        return Study.model_validate(values)

    def write_study(self, study: Study) -> None:
        """Keep what the sweep asks, for reports to come."""
        write_atomic(self.path / STUDY, yaml.safe_dump(study.model_dump(), sort_keys=False))

    def cells(self) -> list[str]:
        """The cells that have begun, sorted; of a single run none."""
        return sorted(
            path.parent.name for path in self.path.glob(f"*/{CONFIG}") if path.parent.name != REFERENCE
        )

    def finished(self) -> Iterator[RunDirectory]:
        """Yield the cells that were scored to the end, sorted by name."""
        cells = (RunDirectory(self.path / name) for name in self.cells())
        return (cell for cell in cells if cell.has_metrics())

    def planned(self) -> dict[str, list[str]]:
        """The cells of the plan with their overrides; where a sweeper chooses them, those that have begun."""
        plan = self.plan()
        return {name: [] for name in self.cells()} if plan.adaptive else plan.cells

    @property
    def comparisons(self) -> Path:
        """What a judge said of the cells' edits two at a time, in a folder for each benchmark."""
        return self.path / PAIRWISE

    def reference(self, benchmark: str = "") -> Reference:
        """What stands beside the cells; a sweep over several benchmarks has a folder for each."""
        return Reference(self.path / REFERENCE / benchmark)

    def references(self) -> Iterator[tuple[str, Reference]]:
        """Yield what is there of them: the benchmark, empty where the cells have one, and its folder."""
        yield "", self.reference()
        for path in sorted((self.path / REFERENCE).glob("*/")):
            if path.name not in (SHIPPED, CONTROLS):
                yield path.name, Reference(path)
