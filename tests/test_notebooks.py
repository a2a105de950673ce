"""Notebooks run from top to bottom, leave nothing where they are, and are kept without what a run adds to them."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


@every_notebook
def test_notebook_runs(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from matplotlib import pyplot

    pyplot.switch_backend("Agg")
    here, temporary = tmp_path / "here", tmp_path / "temporary"
    here.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    before = {*path.parent.iterdir()}
    namespace: dict[str, object] = {}
    for cell in cells(path, "code"):
        exec(compile("".join(cell["source"]), path.name, "exec"), namespace)
    pyplot.close("all")
    assert not [*here.iterdir()]
    assert {*path.parent.iterdir()} == before


@every_notebook
def test_notebook_is_kept_without_outputs(path: Path) -> None:
    notebook = json.loads(path.read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells(path, "code"))
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len({*ids}) == len(ids)


@every_notebook
def test_notebook_explains_itself(path: Path) -> None:
    """It begins with a title, and the page that lists the notebooks names it."""
    assert "".join(cells(path, "markdown")[0]["source"]).startswith("# ")
    assert f"`{path.name}`" in (path.parents[1] / "docs" / "index.md").read_text()
