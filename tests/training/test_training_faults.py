"""What goes wrong while a training runs: it diverges, the disk is full, the machine is another one than before."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from small_training import HANGS, configuration, train
from test_config import composed
from torch import Tensor

from editmgt.config.schema import Train
from editmgt.data.folder import INDEX
from editmgt.data.scenes import SceneDataset
from editmgt.errors import UserError
from editmgt.files import read_json
from editmgt.stores.trainings import obtain, state
from editmgt.training import ERROR, LAST, checkpoint
from editmgt.training import run as training_run
from editmgt.training.editor_module import EditorModule

ROOT = Path(__file__).parent.parent.parent
Poison = Callable[[EditorModule, Tensor], Tensor]
SMALL = [
    "debug=smoke", "benchmark.resolution=32", "benchmark.size=2", "model.resolution=32", "data.resolution=32",
    "model.localization.layers=[1,2]", "logger=none", "trainer.max_steps=4", "trainer.checkpoint_every_n_steps=1",
]  # fmt: skip


def nan_loss(module: EditorModule, loss: Tensor) -> Tensor:
    return loss * float("nan")


def nan_gradient(module: EditorModule, loss: Tensor) -> Tensor:
    """A loss that looks well, of which the weights do not recover."""
    weight = next(module.transformer.parameters())
    return loss + (weight.sum() * 0).sqrt()


def poison(monkeypatch: pytest.MonkeyPatch, what: Poison, batch: int) -> list[list[str]]:
    """Let the batch with this number go wrong; returns what gets the samples of the batches before and at it."""
    seen: list[list[str]] = []
    step = EditorModule.training_step

    def poisoned(self: EditorModule, batch_: dict[str, Any], batch_idx: int) -> Tensor:
        seen.append(batch_["ids"])
        loss = step(self, batch_, batch_idx)
        return what(self, loss) if batch_idx == batch else loss

    monkeypatch.setattr(EditorModule, "training_step", poisoned)
    return seen


def assert_finite_after(checkpoint: Path, step: int) -> None:
    stored = torch.load(checkpoint, weights_only=True)
    assert stored["global_step"] == step
    assert all(tensor.isfinite().all() for tensor in stored["state_dict"].values())


@pytest.mark.parametrize(
    ("what", "told"),
    [(nan_loss, "the loss is nan at step 3"), (nan_gradient, "is not finite after step 3")],
)
def test_a_training_that_diverges_ends_at_the_step_and_keeps_its_last_good_checkpoint(
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    what: Poison,
    told: str,
) -> None:
    """On the command line: one line, a failed cell and training, exit status 1; the next try goes on from there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT))
    import train as entry
    from editmgt.sweeps import command

    arguments = [*SMALL, f"init_from='{tiny_bundle}'"]
    with monkeypatch.context() as patched:
        seen = poison(patched, what, batch=2)
        assert command.main("train", entry.run, ROOT / "conf", arguments) == 1
    assert len(seen) == 3
    [line] = [line for line in capsys.readouterr().err.splitlines() if "diverged" in line]
    assert told in line and ", ".join(seen[2]) in line
    [training] = (path for path in Path("outputs/trainings").iterdir() if path.is_dir())
    assert str(training / LAST) in line
    assert_finite_after(training / LAST, 2)
    assert state(training) == "unfinished"
    [cell] = Path("outputs/runs").glob("*/status.json")
    for status in (read_json(training / "status.json"), read_json(cell)):
        assert status["state"] == "failed" and told in status["error"]
    assert command.main("train", entry.run, ROOT / "conf", arguments) == 0
    assert "continuing training" in capsys.readouterr().out


def test_the_last_step_and_every_batch_of_a_step_are_looked_at(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configuration(
        tiny_bundle, tmp_path / "cache", max_steps=2, accumulate_grad_batches=2, checkpoint_every_n_steps=100
    )
    with monkeypatch.context() as patched:
        seen = poison(patched, nan_loss, batch=2)
        with pytest.raises(
            UserError, match=r"nan at step 2, samples .*; there was no checkpoint yet"
        ) as error:
            train(config, tmp_path / "loss")
    assert ", ".join(seen[2]) in str(error.value)
    seen = poison(monkeypatch, nan_gradient, batch=3)
    with pytest.raises(UserError, match=r"is not finite after step 2") as error:
        train(config, tmp_path / "gradient")
    assert ", ".join(seen[2] + seen[3]) in str(error.value)
    assert not (tmp_path / "gradient" / "editor").exists()


def test_a_codec_that_diverges_is_told_of_too(tiny_bundle: Path, tmp_path: Path) -> None:
    config = configuration(tiny_bundle, tmp_path / "cache")
    config["model"] |= {"kind": "codec", "warmup_steps": 0}
    config["model"]["optimizer"]["lr"] = 1e30
    with pytest.raises(UserError, match=r"diverged: .* basic-train-0-"):
        train(config, tmp_path / "run")


def test_all_processes_end_where_one_diverges_and_the_samples_are_its_own(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    from omegaconf import OmegaConf

    script = tmp_path / "diverging.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from editmgt.training import worker\n"
        "from editmgt.training.editor_module import EditorModule\n"
        "step = EditorModule.training_step\n"
        "def poisoned(self, batch, batch_idx):\n"
        "    loss = step(self, batch, batch_idx)\n"
        "    if self.global_rank == 1 and batch_idx == 1:\n"
        "        Path(sys.argv[1], 'ids').write_text(', '.join(batch['ids']))\n"
        "        return loss * float('nan')\n"
        "    return loss\n"
        "EditorModule.training_step = poisoned\n"
        "sys.exit(worker.run(Path(sys.argv[1])))\n"
    )
    config = configuration(tiny_bundle, tmp_path / "cache", devices=2, strategy="ddp")
    OmegaConf.save(OmegaConf.create(config), tmp_path / "config.yaml")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run([*launcher, script, tmp_path], capture_output=True, timeout=HANGS, check=False)
    told = (tmp_path / ERROR).read_text()
    assert f"the loss is nan at step 2, samples {(tmp_path / 'ids').read_text()};" in told
    assert_finite_after(tmp_path / LAST, 1)


def test_a_group_of_processes_that_diverges_says_so_in_one_line(
    tiny_bundle: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = configuration(tiny_bundle, tmp_path / "cache", devices=2, strategy="ddp")
    config["model"]["optimizer"]["lr"] = 1e30
    with pytest.raises(UserError, match=r"The training has diverged: .* step \d"):
        obtain(
            Train.model_validate(config | {"resume": None}),
            tmp_path / "run",
            cell="cell",
            sweep="",
            log=None,
            make_logger=lambda: False,
            say=print,
        )
    assert read_json(tmp_path / "run" / "status.json")["state"] == "failed"
    said = capfd.readouterr().err
    assert "Traceback" not in said and "ChildFailedError" not in said and "exitcode" not in said, said


def test_a_disk_that_is_full_costs_no_checkpoint(
    tiny_bundle: Path, tmp_path: Path, script: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    """From the second checkpoint on no file may be larger than 20 kB: writing fails half-way, as on a full disk."""
    filling = tmp_path / "filling.py"
    filling.write_text(
        "import resource, sys\n"
        "from pathlib import Path\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "import train\n"
        "from editmgt.sweeps import command\n"
        "from editmgt.training.checkpoint import WholeFiles\n"
        "save = WholeFiles.save_checkpoint\n"
        "def save_and_fill(self, *arguments, **more):\n"
        "    save(self, *arguments, **more)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))\n"
        "WholeFiles.save_checkpoint = save_and_fill\n"
        "sys.exit(command.main('train', train.run, train.CONF))\n"
    )
    arguments = [*SMALL, f"init_from='{tiny_bundle}'"]
    full = subprocess.run(
        [sys.executable, filling, *arguments],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True,
        timeout=HANGS, check=False,
    )  # fmt: skip
    assert full.returncode == 1, full.stderr
    [training] = (path for path in (tmp_path / "outputs/trainings").iterdir() if path.is_dir())
    [line] = [line for line in full.stderr.splitlines() if "last.ckpt" in line]
    assert "File too large" in line and "Traceback" not in full.stderr
    assert read_json(training / "status.json")["state"] == "failed"
    assert [path.name for path in (training / "checkpoints").iterdir()] == ["last.ckpt"]
    assert_finite_after(training / LAST, 1)
    again = script("train.py", *arguments)
    assert again.returncode == 0 and "continuing training" in again.stdout, again.stderr


def test_ctrl_c_while_a_checkpoint_is_written_is_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the error that torch's writer makes of it, which would be a failed training."""

    class Interrupted(io.BytesIO):
        def write(self, part: Any) -> int:
            if self.tell() > 50_000:
                raise KeyboardInterrupt
            return super().write(part)

    @contextmanager
    def replacing(path: Path) -> Iterator[io.BytesIO]:
        yield Interrupted()

    monkeypatch.setattr(checkpoint, "replacing", replacing)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.WholeFiles().save_checkpoint({"weights": torch.rand(100_000)}, tmp_path / "last.ckpt")


def test_a_checkpoint_that_a_kill_left_half_written_goes_away(tiny_bundle: Path, tmp_path: Path) -> None:
    config = configuration(tiny_bundle, tmp_path / "cache", max_steps=1)
    left = tmp_path / "run" / "checkpoints" / ".last.ckpt.abcd"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    train(config, tmp_path / "run")
    assert not left.exists() and (tmp_path / "run" / LAST).is_file()


def write_pairs(directory: Path) -> None:
    """A directory of pairs in the layout of data=folder."""
    scenes = SceneDataset("train", size=4, resolution=32)
    for folder in ("source", "target"):
        (directory / folder).mkdir(parents=True)
    with (directory / INDEX).open("w") as index:
        for scene in (scenes[number] for number in range(len(scenes))):
            Image.fromarray(scene.source).save(directory / "source" / f"{scene.sample_id}.png")
            Image.fromarray(scene.target).save(directory / "target" / f"{scene.sample_id}.png")
            index.write(json.dumps({"file": scene.sample_id, "instruction": scene.instruction}) + "\n")


def test_what_a_training_went_on_under_is_told_where_it_was_begun_under_something_else(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configuration(tiny_bundle, tmp_path / "cache", max_steps=1)
    write_pairs(tmp_path / "pairs")
    overrides = [
        "data.dev_size=1",
        f"data.datasets.folder.path='{tmp_path / 'pairs'}'",
        "data.min_side=32",
        "data.batch_size=2",
    ]
    stream = composed("train", "data=folder", "data.streaming=true", "model.resolution=32", *overrides)
    config["data"] = stream["data"]
    with monkeypatch.context() as patched:
        patched.setattr(training_run, "version", lambda package: "4.4.1")
        train(config, tmp_path / "run")
    config["trainer"]["max_steps"] = 2
    with monkeypatch.context() as patched:
        patched.setattr(training_run, "version", lambda package: "4.4.1")
        train(config, tmp_path / "same", resume=tmp_path / "run" / LAST)
    assert "The checkpoint was made with" not in capsys.readouterr().out
    config["trainer"]["precision"] = "bf16-mixed"
    with monkeypatch.context() as patched:
        patched.setattr(training_run, "version", lambda package: "5.0.0")
        train(config, tmp_path / "other", resume=tmp_path / "run" / LAST)
    said = [line for line in capsys.readouterr().out.splitlines() if "The checkpoint" in line]
    assert said == [
        "The checkpoint was made with trainer.precision 32-true, this is bf16-mixed: the training goes on in the latter.",
        "The checkpoint was made with datasets 4.4.1, this is 5.0.0: a stream may come in another order for the same "
        "seed from here on.",
    ]
