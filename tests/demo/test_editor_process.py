"""The editor's process: one that dies comes back, and what is wrong with a checkpoint is told to all who ask."""

from multiprocessing import active_children
from pathlib import Path

import pytest
from in_process import loading
from PIL import Image

from editmgt.demo.editor_process import Worker
from editmgt.demo.messages import Line
from editmgt.errors import UserError


def test_a_process_that_died_between_two_jobs_comes_back(tiny_bundle: Path, tmp_path: Path) -> None:
    before = set(active_children())
    worker = Worker(loading(tiny_bundle))
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    line = Line(["--output=b.png", f"--checkpoint={tiny_bundle}", "--", "a.png", "look"], tmp_path)
    own = worker.own()
    (process,) = set(active_children()) - before
    process.kill()
    process.join()
    with pytest.raises(UserError, match=r"process ended with status -9.* It starts anew"):
        worker.do("look", line)
    assert worker.do("look", line).size == (32, 32)
    assert worker.own() == own


def test_what_is_wrong_with_a_checkpoint_is_told_to_all_who_ask(tmp_path: Path) -> None:
    worker = Worker(loading(tmp_path))
    for ask in (worker.own, worker.own, lambda: worker.do("look", Line([], tmp_path))):
        with pytest.raises(UserError, match="is not an editor"):
            ask()
