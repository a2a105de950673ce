"""Trainings by fingerprint: each one is run once, whoever needs it first, and told apart when begun or broken."""

import fcntl
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from editmgt.errors import UserError
from editmgt.files import read_json, write_atomic, write_json

LAST = Path("checkpoints/last.ckpt")
EDITOR = Path("editor")


def state(directory: Path) -> str:
    """Return ``absent``, ``finished``, ``unfinished`` (a checkpoint to go on from) or ``corrupt``.

    The editor's directory is renamed into place when whole, so an index in it means that all of it is there.
    """
    if not directory.exists():
        return "absent"
    try:
        claimed = read_json(directory / "status.json").get("state")
    except FileNotFoundError:
        claimed = None
    except (ValueError, AttributeError):
        return "corrupt"
    if _is_whole(directory / EDITOR):
        return "finished" if _readable(directory / EDITOR) else "corrupt"
    if claimed == "done":
        return "corrupt"
    if (directory / LAST).is_file():
        return "unfinished" if zipfile.is_zipfile(directory / LAST) else "corrupt"
    return "absent"  # begun, and stopped before its first checkpoint


def obtain(
    config: dict[str, Any],
    directory: Path,
    *,
    cell: str,
    sweep: str,
    make_logger: Callable[[], Any],
    say: Callable[[str], None],
) -> Path:
    """Return the finished editor of the training in ``directory``, training it if nobody has.

    One process trains while the others wait; the lock goes with its holder, however that ends.
    """
    name = directory.name
    with _lock(directory, lambda: say(f"waiting for training {name}, which another process is running")):
        found = state(directory)
        if found == "finished":
            status = read_json(directory / "status.json") if (directory / "status.json").is_file() else {}
            here = sweep and status.get("sweep") == sweep and status.get("cell") != cell
            say(f"training shared with cell {status['cell']}" if here else f"reusing training {name}")
            return directory / EDITOR
        resume = None if config["resume"] in (None, "auto") else Path(config["resume"])
        if found == "corrupt":
            aside = _aside(directory)
            say(f"training {name} is corrupt: moved to {aside}, training again")
        elif found == "unfinished" and resume is None:
            resume = directory / LAST
        say(f"continuing training {name} from {resume}" if resume else f"training {name}")
        status = {
            "state": "running",
            "error": None,
            "training_fingerprint": name,
            "cell": cell,
            "sweep": sweep,
        }
        write_json(directory / "status.json", status)
        write_atomic(directory / "config.yaml", _yaml(config))
        try:
            editor = _train(config, directory, resume, make_logger)
        except BaseException as error:
            write_json(
                directory / "status.json",
                status | {"state": "failed", "error": f"{type(error).__name__}: {error}"},
            )
            raise
        write_json(directory / "status.json", status | {"state": "done"})
        return editor


def _train(
    config: dict[str, Any], directory: Path, resume: Path | None, make_logger: Callable[[], Any]
) -> Path:
    devices = config["trainer"]["devices"]
    if isinstance(devices, int) and devices > 1:
        return _train_on_many(devices, directory)
    from editmgt.training import train

    return Path(train(config, directory, resume=resume, logger=make_logger()))


def _train_on_many(devices: int, directory: Path) -> Path:
    """One process group for this training; torchrun ends it when a rank dies."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        str(devices),
    ]
    process = subprocess.Popen([*command, "-m", "editmgt.training.worker", str(directory)])
    try:
        code = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if code != 0:
        raise RuntimeError(
            f"training on {devices} processes ended with status {code}; its messages are above"
        )
    if not _is_whole(directory / EDITOR):
        raise RuntimeError(f"training on {devices} processes left no editor in {directory}")
    return directory / EDITOR


@contextmanager
def _lock(directory: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    directory.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(directory.with_name(f"{directory.name}.lock"), os.O_CREAT | os.O_RDWR, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _is_whole(editor: Path) -> bool:
    """A bundle, or of a codec's training the codec alone: the trainer renames either into place when whole."""
    return any((editor / file).is_file() for file in ("model_index.json", "vqvae/config.json"))


def _readable(editor: Path) -> bool:
    if not (editor / "model_index.json").is_file():
        return True
    from editmgt.editing import bundle

    try:
        bundle.read(editor)
    except UserError:
        return False
    return True


def _aside(directory: Path) -> Path:
    number = 1
    while (aside := directory.with_name(f"{directory.name}.corrupt-{number}")).exists():
        number += 1
    return directory.rename(aside)


def _yaml(config: dict[str, Any]) -> str:
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(OmegaConf.create(config))
