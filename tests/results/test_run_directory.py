"""A run's directory: what is written is read back, and what is broken is one line that names the file."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from editmgt.results import BrokenFile, Row, RunDirectory, readable

CONFIG = {"task": "evaluate", "model": {"kind": "editor", "hold": None}, "benchmark": {"name": "scenes"}}


def finished(path: Path) -> RunDirectory:
    run = RunDirectory(path)
    run.write_config(CONFIG, {"seed": 0})
    run.write_status("done", training_fingerprint="t", protocol_fingerprint="p")
    run.row_file(["edit/success"]).replace(
        [Row("a", 0, values={"edit/success": 1.0}), Row("b", 0, error="broken")]
    )
    run.write_metrics({"n": 1, "failed": 1, "edit/success": 1.0})
    run.write_progress({"before": {"dev loss": 2.0}, "after": {"dev loss": 1.0}})
    return run


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    run = finished(tmp_path)
    facts = {"training_fingerprint": "t", "protocol_fingerprint": "p"}
    assert run.status() == {"state": "done", "error": None, **facts}
    assert run.config() == CONFIG and run.progress()["after"] == {"dev loss": 1.0}
    metrics, samples = run.results()
    assert metrics == run.metrics() == {"n": 1, "failed": 1, "edit/success": 1.0}
    assert samples is not None and samples["sample_id"].tolist() == ["a", "b"]
    assert samples["status"].tolist() == ["ok", "failed"] and samples["edit/success"].isna().tolist() == [
        False,
        True,
    ]
    assert [*run.files()] == ["metrics.json", "samples.csv", "config.yaml", "protocol.json", "progress.json"]


def test_what_an_attempt_leaves_goes_with_its_rows_or_without(tmp_path: Path) -> None:
    run = finished(tmp_path)
    own = tmp_path / "images" / "mine.png"  # a user may have named any directory
    for path in (tmp_path / "maps.jsonl", tmp_path / "judge.csv", tmp_path / ".gallery" / "first.npz", own):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    run.forget(rows=False)
    assert not run.has_metrics() and len(run.samples()) == 2 and (tmp_path / "judge.csv").is_file()
    run.forget(rows=True)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"config.yaml", "protocol.json", "progress.json", "status.json", "images/mine.png"}


def test_a_directory_where_nothing_began_says_so(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "nowhere")
    assert run.status() == run.config() == run.progress() == run.files() == {}
    assert not run.has_status() and not run.has_metrics() and not run.page.exists()
    for read in (run.metrics, run.samples, run.results):
        with pytest.raises(BrokenFile, match="is missing"):
            read()


READERS: dict[str, Callable[[RunDirectory], Callable[[], Any]]] = {
    "status.json": lambda run: run.status,
    "metrics.json": lambda run: run.metrics,
    "config.yaml": lambda run: run.config,
    "progress.json": lambda run: run.progress,
    "samples.csv": lambda run: run.samples,
}


@pytest.mark.parametrize("content", [b"\xff", b"{", b"[]", b"- a\n- [", b"text"])
@pytest.mark.parametrize("name", READERS)
def test_a_broken_file_is_one_line_that_names_it(tmp_path: Path, name: str, content: bytes) -> None:
    run = finished(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BrokenFile) as error:
        READERS[name](run)()
    assert str(error.value).startswith(f"{tmp_path / name} is corrupt: ") and "\n" not in str(error.value)
    assert readable(READERS[name](run)) is None


@pytest.mark.parametrize("value", ["NaN", "Infinity", "true", "null", '"1"'])
def test_a_metric_that_is_no_number_breaks_the_file(tmp_path: Path, value: str) -> None:
    run = finished(tmp_path)
    (tmp_path / "metrics.json").write_text(f'{{"n": 1, "edit/success": {value}}}')
    with pytest.raises(BrokenFile, match=r"edit/success is .*, not a number"):
        run.metrics()


def test_metrics_belong_to_their_rows(tmp_path: Path) -> None:
    run = finished(tmp_path)
    run.write_metrics({"n": 2})
    with pytest.raises(
        BrokenFile, match=r"samples.csv has 1 scored samples where metrics.json has 2: one is not"
    ):
        run.results()
    run.write_metrics({"dev loss": 0.5})  # a codec edits nothing
    assert run.results() == ({"dev loss": 0.5}, None)


def test_nothing_slow_is_imported_before_rows_are_read() -> None:
    program = "import sys, editmgt.results; print({'pandas', 'torch', 'hydra', 'omegaconf'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
