"""A failed row that the machine is to blame for is done again; what cannot be written ends the evaluation."""

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas
import pytest
import torch
from full_disk import full_disk

from editmgt.benchmarks.protocols.scenes import rows as scenes
from editmgt.data.sample import EditPair
from editmgt.editing import Editor, EditResult
from editmgt.errors import UserError
from editmgt.evaluation.evaluate import evaluate
from editmgt.evaluation.faults import by_machine, told
from editmgt.files import WriteError, read_json
from editmgt.results.rows import BY_MACHINE

pytestmark = pytest.mark.filterwarnings("ignore::editmgt.editing.InstructionCut")
METRICS = ["outside/l1", "edit/success"]
N = 6


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EIO, "Input/output error"),
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: device-side assert triggered"),
        caused(ValueError("no picture"), OSError(errno.ESTALE, "Stale file handle")),
    ],
)  # fmt: skip
def test_the_machines_faults(error: Exception) -> None:
    assert by_machine(error)
    assert told(error).startswith(BY_MACHINE)


@pytest.mark.parametrize(
    "error",
    [
        OSError("image file is truncated"),
        FileNotFoundError(errno.ENOENT, "No such file"),
        PermissionError(errno.EACCES, "Permission denied"),
        UserError("The instruction is empty."),
        RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"),
    ],
)
def test_the_samples_faults(error: Exception) -> None:
    assert not by_machine(error)
    assert not told(error).startswith(BY_MACHINE)


def test_memory_that_cannot_be_had_is_the_machines() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    assert by_machine(caught.value)


class Rows:
    """A benchmark on a disk that fails at some rows, and holds another that is no picture."""

    def __init__(self, samples: Sequence[EditPair], failing: set[int]) -> None:
        self.samples, self.failing = samples, failing
        self.asked: list[int] = []

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> EditPair:
        self.asked.append(index)
        if index in self.failing:
            raise OSError(errno.EIO, "Input/output error")
        if index == 3:
            raise ValueError("no picture")
        return self.samples[index]


@pytest.fixture(scope="module")
def samples() -> list[EditPair]:
    rows = scenes(size=N, resolution=32)
    return [rows[i] for i in range(N)]


def run(editor: Editor, rows: Rows, out: Path, resume: bool = True) -> dict[str, float]:
    return evaluate(editor, rows, editor.settings, out, batch_size=1, metrics=METRICS, resume=resume)  # type: ignore[arg-type]


def test_only_what_the_machine_failed_at_is_done_again(
    tiny_editor: Editor, samples: list[EditPair], tmp_path: Path
) -> None:
    healthy = run(tiny_editor, Rows(samples, set()), tmp_path / "healthy")
    assert (healthy["n"], healthy["failed"]) == (N - 1, 1) and "failed/machine" not in healthy

    broken = run(tiny_editor, Rows(samples, {0, 2, 5}), tmp_path / "out")
    assert (broken["n"], broken["failed"], broken["failed/machine"]) == (2, 4, 3)
    errors = pandas.read_csv(tmp_path / "out/samples.csv")["error"]
    assert errors.str.startswith(BY_MACHINE).fillna(False).tolist() == [True, False, True, False, False, True]

    again = Rows(samples, set())
    assert run(tiny_editor, again, tmp_path / "out") == healthy
    assert again.asked == [0, 2, 5]
    for name in ("samples.csv", "metrics.json", "samples.png"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "healthy" / name).read_bytes()
    assert not (tmp_path / "out/.gallery").exists()


def test_a_sample_that_failed_keeps_no_picture_of_an_earlier_attempt(
    tiny_editor: Editor, samples: list[EditPair], tmp_path: Path
) -> None:
    class Refusing:
        round_trip = tiny_editor.round_trip

        def edit(self, *arguments: Any, **options: Any) -> EditResult:
            if samples[1].sample_id in options["sample_ids"]:
                raise ValueError("not this one")
            return tiny_editor.edit(*arguments, **options)

    paths = {sample.sample_id: tmp_path / f"{sample.sample_id}.png" for sample in samples[:2]}
    for path in paths.values():
        path.write_bytes(b"of other weights")
    evaluate(tiny_editor, samples[:2], tiny_editor.settings, tmp_path, metrics=METRICS, edits=Refusing(),
             picture_path=lambda sample: Path(f"{sample.sample_id}.png"))  # fmt: skip
    first, second = paths.values()
    assert first.read_bytes() != b"of other weights" and not second.exists()


@pytest.mark.parametrize("room", [0, 600, 5_000])
def test_a_full_disk_ends_the_evaluation_and_is_held_against_no_sample(
    tiny_editor: Editor, samples: list[EditPair], tmp_path: Path, room: int
) -> None:
    """From none at all, so that not even the header fits, to enough for some rows."""
    healthy = run(tiny_editor, Rows(samples, set()), tmp_path / "healthy")
    out = tmp_path / "out"
    with full_disk(room), pytest.raises(WriteError, match="cannot write"):
        run(tiny_editor, Rows(samples, set()), out)
    assert not (out / "metrics.json").exists()
    if (out / "samples.csv").exists():
        assert "Error" not in (out / "samples.csv").read_text()
    assert run(tiny_editor, Rows(samples, set()), out) == healthy == read_json(out / "metrics.json")
    for name in ("samples.csv", "samples.png"):
        assert (out / name).read_bytes() == (tmp_path / "healthy" / name).read_bytes()
