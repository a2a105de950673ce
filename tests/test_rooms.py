"""Imports between the rooms of the package go one way."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "editmgt"
ENTRY_POINTS = {"prepare.py"}  # the one that lies in the package


def _imported(file: Path) -> Iterator[str]:
    """Every module that a file imports, also inside its functions."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{name.name}" for name in node.names)


def _importers(*modules: str) -> set[str]:
    """The rooms, or files beside them, that import any of ``modules`` or of what lies in them."""
    return {
        file.relative_to(PACKAGE).parts[0]
        for file in PACKAGE.rglob("*.py")
        for name in _imported(file)
        if any(f"{name}.".startswith(f"{module}.") for module in modules)
    }


def test_what_is_imported_is_seen() -> None:
    assert {"training", "sweeps"} <= _importers("lightning")


@pytest.mark.parametrize(
    "room", ["model", "editing", "metrics", "benchmarks", "evaluation", "results", "analysis"]
)
def test_no_framework_is_needed_to_edit_or_to_judge(room: str) -> None:
    assert room not in _importers("hydra", "lightning")


def test_statistics_know_arrays_alone() -> None:
    rooms = [f"editmgt.{path.name.removesuffix('.py')}" for path in PACKAGE.glob("[a-z]*")]
    assert "analysis" not in _importers(*(room for room in rooms if room != "editmgt.analysis"))


def test_only_entry_points_know_sweeps() -> None:
    assert _importers("editmgt.sweeps") <= {"sweeps"} | ENTRY_POINTS


@pytest.mark.parametrize("module", ["stores", "tracking", "training"])
def test_a_report_reads_what_is_stored(module: str) -> None:
    assert "report" not in _importers(f"editmgt.{module}")
