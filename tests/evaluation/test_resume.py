"""A real process, really killed: no row is lost and none is made twice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from editmgt.benchmarks.protocols.scenes import rows as scenes
from editmgt.editing import Editor
from editmgt.evaluation.evaluate import evaluate

pytestmark = pytest.mark.filterwarnings("ignore::editmgt.editing.InstructionCut")

N = 12
WORKER = """
import sys, time
from editmgt.benchmarks.protocols.scenes import rows as scenes
from editmgt.evaluation.evaluate import evaluate
from editmgt.editing import Editor

class Slow:
    rows = scenes(size={n}, resolution=32)
    def __len__(self):
        return {n}
    def __getitem__(self, index):
        time.sleep(0.15)
        return self.rows[index]

editor = Editor.from_pretrained(sys.argv[1])
evaluate(editor, Slow(), editor.settings, sys.argv[2], batch_size=2, metrics=["outside/l1", "edit/success"], resume=True)
"""
METRICS = ["outside/l1", "edit/success"]


def test_after_sigkill_the_rows_are_those_of_an_unbroken_run(
    tiny_bundle: Path, tiny_editor: Editor, tmp_path: Path
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    wanted = evaluate(
        tiny_editor, scenes(size=N, resolution=32), tiny_editor.settings, whole, batch_size=2, metrics=METRICS
    )
    table = broken / "samples.csv"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", WORKER.format(n=N), str(tiny_bundle), str(broken)],
        env=environment,
    ) as process:
        while process.poll() is None and (not table.is_file() or table.read_bytes().count(b"\n") < 5):
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    kept = table.read_bytes()
    done = kept.count(b"\n") - 1
    assert 4 <= done < N and not (broken / "metrics.json").exists()
    table.write_bytes(kept + b"full-test-0-1,full-test-0")  # and the last line is torn

    asked: list[int] = []

    class Watched:
        rows = scenes(size=N, resolution=32)

        def __len__(self) -> int:
            return N

        def __getitem__(self, index: int):  # type: ignore[no-untyped-def]
            asked.append(index)
            return self.rows[index]

    steps: list[tuple[int, int]] = []
    found = evaluate(
        tiny_editor,
        Watched(),
        tiny_editor.settings,
        broken,
        batch_size=2,
        metrics=METRICS,
        resume=True,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert asked == list(range(done, N)) and steps[0] == (done, N)
    assert table.read_bytes() == (whole / "samples.csv").read_bytes()
    assert found == wanted
    with Image.open(broken / "samples.png") as a, Image.open(whole / "samples.png") as b:
        assert a.tobytes() == b.tobytes()  # samples that the killed process drew are on the page
    assert not (broken / ".gallery").exists()
