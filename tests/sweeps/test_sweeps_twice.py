"""The same command twice: at once, and again after it was stopped; what both would write is written once."""

import csv
import errno
import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from editmgt.errors import UserError
from editmgt.files import read_json, write_atomic, write_json
from editmgt.lock import locked
from editmgt.results import Row, RowFile, RunDirectory
from editmgt.sweeps.cell import Cell
from editmgt.sweeps.command import _run_all
from editmgt.sweeps.compose import compose_all
from editmgt.sweeps.elsewhere import LEFT, RunElsewhere, leave, needed
from editmgt.sweeps.plan import create, make_plan

ROOT = Path(__file__).parent.parent.parent
SMALL = ["debug=few", "benchmark.resolution=32", "logger=none"]
HANG = 600  # seconds: guards against processes that wait for each other for ever, and measures nothing
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def run(run: Callable[..., int]) -> Callable[..., int]:
    """``evaluate.py`` in this process."""
    return partial(run, "evaluate")


def at_once(directory: Path, *arguments: str) -> list[str]:
    """Start a command twice at the same moment, in processes of their own; returns what each said."""
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "at_once.py", "evaluate", json.dumps([arguments] * 2)],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG,
    )
    said = [(directory / f"said-{number}.txt").read_text() for number in range(2)]
    assert json.loads(done.stdout) == [0, 0], said
    assert not any("Traceback" in text or "corrupt" in text for text in said), said
    return said


def row_ids(directory: Path) -> dict[str, list[str]]:
    found = {}
    for path in sorted(directory.rglob("samples.csv")):
        with path.open(newline="") as file:
            found[str(path.parent.relative_to(directory))] = [
                row["sample_id"] for row in csv.DictReader(file)
            ]
    return found


def test_two_equal_sweeps_at_once_are_one(
    tmp_path: Path, tiny_bundle: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["-m", *SMALL, f"checkpoint='{tiny_bundle}'", "model.region_hold=true,false"]
    said = at_once(tmp_path, *arguments)
    [sweep] = Path("outputs/sweeps").iterdir()
    for cell in ("region_hold-true", "region_hold-false"):
        assert sum(text.count(f"{cell}: 4 scored in") for text in said) == 1, said
    rows = row_ids(sweep)
    assert len(rows) == 2 + 4  # cells, controls
    assert all(len(ids) == len(set(ids)) == 4 for ids in rows.values())
    assert "corrupt" not in (sweep / "report" / "report.md").read_text()

    # rows that an older version wrote twice are judged again
    table = sweep / "reference" / "controls" / "copy_source" / "samples.csv"
    whole = table.read_text()
    table.write_text(whole + "".join(whole.splitlines(keepends=True)[1:]))
    assert run(*arguments) == 0
    assert "corrupt" not in capsys.readouterr().out and table.read_text() == whole


@pytest.mark.parametrize("finishes", [True, False])
def test_a_cell_that_another_process_runs_is_left_to_it_and_looked_after(
    run: Callable[..., int], tiny_bundle: Path, finishes: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other process has the first cell until the second is done, and then has finished it or has been killed."""
    arguments = ["-m", *SMALL, f"checkpoint='{tiny_bundle}'", "model.region_hold=true,false"]
    assert run(*arguments) == 0
    [sweep] = Path("outputs/sweeps").iterdir()
    first, second = (sweep / f"region_hold-{value}" for value in ("true", "false"))
    done = (first / "status.json").read_bytes()
    for cell in (first, second):
        write_json(cell / "status.json", read_json(cell / "status.json") | {"state": "running"})

    def other_process() -> None:
        with locked(first / "cell", lambda: None):
            held.set()
            while read_json(second / "status.json")["state"] != "done":
                time.sleep(0.05)
            if finishes:
                write_atomic(first / "status.json", done)

    held, other = threading.Event(), threading.Thread(target=other_process)
    other.start()
    held.wait()
    capsys.readouterr()
    assert run(*arguments) == 0
    other.join()
    said = capsys.readouterr().out
    assert "[1/2] region_hold-true: another process runs it" in said
    assert said.count("region_hold-true: 4 scored in") == (not finishes)
    assert read_json(first / "status.json")["state"] == "done"


def test_two_processes_do_not_try_each_others_failures_for_ever(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each runs the cell that the other left, both cells fail, and neither is tried again and again."""
    monkeypatch.chdir(tmp_path)
    arguments = [*SMALL, f"checkpoint='{tiny_bundle}'", "model.region_hold=true,false"]
    composition = compose_all(ROOT / "conf", "evaluate", arguments, True)
    plan = make_plan("evaluate", composition, True)
    tries: list[str] = []

    def run_cells(order: list[str]) -> list[Any]:
        returned: list[Any] = []
        for name in order:
            directory = plan.cell_directory(name)
            try:
                with locked(directory / "cell", leave):
                    tries.append(name)
                    RunDirectory(directory).write_status("running")
                    time.sleep(0.3 if name == order[0] else 0.5)
                    RunDirectory(directory).write_status("failed", "diverged")
                    returned.append(None)
            except RunElsewhere:
                returned.append(LEFT)
        return returned

    orders = [*plan.cells], [*reversed(plan.cells)]
    both = [
        threading.Thread(target=_run_all, args=(plan, composition, lambda _, order=order: run_cells(order)))
        for order in orders
    ]
    for thread in both:
        thread.daemon = True
        thread.start()
    for thread in both:
        thread.join(timeout=30)
        assert not thread.is_alive()
    assert len(tries) <= 2 * len(plan.cells)


def test_a_cell_whose_training_another_process_runs_is_left_to_it(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [*SMALL, f"init_from='{tiny_bundle}'", "seed=0,1"]
    first, second = (cell.config for cell in compose_all(ROOT / "conf", "train", arguments, True).cells)
    cells = [
        Cell(config, tmp_path / name, name, tmp_path.name, set(), print)
        for config, name in ((first, "first"), (second, "second"))
    ]
    ran: list[Path] = []
    monkeypatch.setattr(Cell, "_work", lambda cell, *_: ran.append(cell.directory) or {})
    [_, training] = needed(first, tmp_path / "first", tmp_path)
    with locked(training, lambda: None):
        with pytest.raises(RunElsewhere):
            cells[0].run(wait=False)
        assert (
            cells[1].run(wait=False) == {} and cells[0].run(wait=True) == {}
        )  # it waits where that training is asked for
    assert cells[0].run(wait=False) == {} and [path.name for path in ran] == ["second", "first", "first"]


def test_two_equal_runs_in_one_new_directory_are_one(tmp_path: Path, tiny_bundle: Path) -> None:
    said = at_once(tmp_path, *SMALL, f"checkpoint='{tiny_bundle}'", "hydra.run.dir=mine")
    assert sum("done before, skipped" in text for text in said) == 1, said
    assert all(len(ids) == len(set(ids)) == 4 for ids in row_ids(tmp_path / "mine").values())


@pytest.mark.parametrize("multirun", [False, True])
def test_of_two_commands_that_name_one_new_directory_the_late_one_is_refused(
    tmp_path: Path, tiny_bundle: Path, multirun: bool
) -> None:
    directory = f"hydra.{'sweep' if multirun else 'run'}.dir='{tmp_path / 'mine'}'"
    commands = [
        compose_all(
            ROOT / "conf", "evaluate", [f"checkpoint='{tiny_bundle}'", f"seed={seed}", directory], multirun
        )
        for seed in ("1,2", "3,4")
        for seed in [seed if multirun else seed[0]]
    ]
    plans = [make_plan("evaluate", composition, multirun) for composition in commands]  # both find it free
    create(plans[0], commands[0], [])
    with pytest.raises(UserError, match=r"mine .*: name a new directory"):
        create(plans[1], commands[1], [])
    assert create(plans[0], commands[0], []) == plans[0]


@pytest.mark.parametrize("named", ["hydra.run.dir='my run, of (today)'", None])
def test_the_command_that_an_interrupted_run_prints_goes_on_with_it(
    run: Callable[..., int],
    tiny_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    named: str | None,
) -> None:
    arguments = [*SMALL, "benchmark.batch_size=1", "reuse=false", f"checkpoint='{tiny_bundle}'"]
    arguments += [named] if named else []
    append = RowFile.append

    def interrupted(file: RowFile, rows: Sequence[Row]) -> None:
        append(file, rows)
        if len(file.resume()) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RowFile, "append", interrupted)
        assert run(*arguments) == 130
    [directory] = {path.parent for path in Path().rglob("config.yaml")}
    assert read_json(directory / "status.json")["error"] == "interrupted"
    [*_, hint] = capsys.readouterr().err.strip().splitlines()
    python, script, *pasted = shlex.split(hint[hint.index("python ") :])
    assert (python, script) == ("python", "evaluate.py")
    with (directory / "samples.csv").open() as before:
        three = before.read()
    assert run(*pasted) == 0
    assert {path.parent for path in Path().rglob("config.yaml")} == {directory}
    assert (directory / "samples.csv").read_text().startswith(three)
    assert len(set(row_ids(directory)["."])) == 4
    assert run(*pasted) == 0 and "done before, skipped" in capsys.readouterr().out


def test_a_named_directory_is_not_overwritten_by_another_code(
    run: Callable[..., int], tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*SMALL, f"checkpoint='{tiny_bundle}'", "hydra.run.dir=mine"]
    assert run(*arguments) == 0
    path = Path("mine/status.json")
    write_json(path, read_json(path) | {"protocol_fingerprint": "another"})
    capsys.readouterr()
    assert run(*arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("mine holds 1 run finished under other settings")
    assert run(*arguments, "seed=7") == 2
    assert "hydra.run.dir=mine holds another run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "skip"),
    [
        *((file, 0) for file in ("plan.json", "config.yaml", "status.json", "metrics.json", "report.md")),
        ("status.json", 3),  # in the midst of the cells
        ("metrics.json", 3),  # in the controls
    ],
)
def test_a_disk_that_is_full_is_one_line_and_the_same_command_finishes_later(
    run: Callable[..., int],
    tiny_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: str,
    skip: int,
) -> None:
    """``skip`` such files are written before it is full."""
    arguments = [
        "-m",
        *SMALL,
        "benchmark.size=2",
        f"checkpoint='{tiny_bundle}'",
        "model.region_hold=true,false",
    ]
    make, written = tempfile.mkstemp, 0

    def full(*, dir: Path, prefix: str) -> tuple[int, str]:
        nonlocal written
        written += prefix == f".{file}."
        if written > skip:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(dir / prefix))
        return make(dir=dir, prefix=prefix)

    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "mkstemp", full)
        status = run(*arguments)
    captured = capsys.readouterr()
    assert status == 1 and "Traceback" not in captured.err + captured.out
    assert all(
        "No space left on device" in line for line in captured.err.splitlines() if "Warning" not in line
    )
    assert run(*arguments) == 0
    [sweep] = Path("outputs/sweeps").iterdir()
    assert all(len(ids) == len(set(ids)) == 2 for ids in row_ids(sweep).values())
    assert (sweep / "report" / "report.html").is_file()
    assert list(Path().rglob(".*.*")) == []  # no half files
