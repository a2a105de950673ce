"""Trainings by fingerprint: each one is run once, whoever needs it first, and told apart when begun or broken."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from editmgt.config import BUNDLE
from editmgt.config.schema import Train
from editmgt.errors import UserError
from editmgt.files import read_json
from editmgt.lock import locked
from editmgt.results import BrokenFile, RunDirectory, readable
from editmgt.training import EDITOR, ERROR, LAST, LOG, checkpoint_to_go_on_from


def state(directory: Path) -> str:
    """Return ``absent``, ``finished``, ``unfinished`` (a checkpoint to go on from) or ``corrupt``.

    The editor's directory is renamed into place when whole, so an index in it means that all of it is there.
    """
    if not directory.exists():
        return "absent"
    try:
        claimed = RunDirectory(directory).status().get("state")
    except BrokenFile:
        return "corrupt"
    if _is_whole(directory / EDITOR):
        return "finished" if _readable(directory / EDITOR) else "corrupt"
    if claimed == "done":
        return "corrupt"
    if (directory / LAST).is_file():
        return "unfinished" if zipfile.is_zipfile(directory / LAST) else "corrupt"
    return "absent"  # begun, and stopped before its first checkpoint


def obtain(
    config: Train,
    directory: Path,
    *,
    cell: str,
    sweep: str,
    log: str | None,
    make_logger: Callable[[], Any],
    say: Callable[[str], None],
) -> Path:
    """Return the finished editor of the training in ``directory``, training it if nobody has.

    One process trains while the others wait. ``log`` names the W&B run that a training made here is logged to;
    :func:`log_of` tells it to whoever reuses it.
    """
    from editmgt.devices import check_accelerator  # late: it imports torch

    name, run = directory.name, RunDirectory(directory)
    with locked(directory, lambda: say(f"waiting for training {name}, which another process runs")) as lock:
        found = state(directory)
        if found == "finished":
            status = run.status()
            here = sweep and status.get("sweep") == sweep and status.get("cell") != cell
            say(f"training shared with cell {status['cell']}" if here else f"reusing training {name}")
            return directory / EDITOR
        check_accelerator(config.trainer.accelerator, int(config.trainer.devices), config.trainer.precision)
        if found == "corrupt":
            aside = _aside(directory)
            say(f"training {name} is corrupt: moved to {aside}, training again")
        resume = checkpoint_to_go_on_from(directory, config.resume)
        say(f"continuing training {name} from {resume}" if resume else f"training {name}")
        facts = {"training_fingerprint": name, "cell": cell, "sweep": sweep, "log": log}
        run.write_status("running", **facts)
        run.write_config(config.model_dump())
        try:
            editor = _train(config, directory, resume, make_logger(), lock)
        except BaseException as error:
            said = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            with suppress(OSError):  # on a full disk the first error is the one to tell
                run.write_status("failed", said, **facts)
            raise
        run.write_status("done", **facts)
        return editor


def log_of(directory: Path) -> str | None:
    """Return the W&B run that the training in ``directory`` was logged to, where there is one."""
    found = (readable(RunDirectory(directory).status) or {}).get("log")
    return None if found is None else str(found)


def _train(config: Train, directory: Path, resume: Path | None, logger: Any, lock: int) -> Path:
    if int(config.trainer.devices) > 1:
        return _train_on_many(int(config.trainer.devices), directory, logger, lock)
    from editmgt.training import train

    return Path(train(config, directory, resume=resume, logger=logger))


def _train_on_many(devices: int, directory: Path, logger: Any, lock: int) -> Path:
    """One process group for this training; torchrun ends it when a process dies.

    The group keeps the lock open, so that it is not trained beside itself if this process is killed alone.
    """
    for file in (LOG, ERROR):
        (directory / file).unlink(missing_ok=True)
    command = [sys.executable, "-m", "editmgt.training.group", str(devices), str(directory)]
    process = subprocess.Popen(command, pass_fds=(lock,))
    lines = _lines(directory / LOG)
    try:
        while process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=1)
            _log(lines, logger)
    except BaseException:
        _kill(process)
        raise
    if process.returncode != 0 and (directory / ERROR).is_file():
        raise UserError((directory / ERROR).read_text())
    if process.returncode != 0:
        raise RuntimeError(
            f"training on {devices} processes ended with status {process.returncode}; its messages are above"
        )
    if not _is_whole(directory / EDITOR):
        raise RuntimeError(f"training on {devices} processes left no editor in {directory}")
    return directory / EDITOR


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End a process and all that it started at once: told to end, ranks wait for each other and print how they died."""
    with suppress(psutil.NoSuchProcess):
        group = psutil.Process(process.pid)
        for member in (group, *group.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                member.kill()
    process.wait()


def _log(lines: Iterator[dict[str, Any] | None], logger: Any) -> None:
    """Log what has come since the last time."""
    while logger and (line := next(lines)) is not None:
        logger.log_metrics(line["metrics"], line["step"])
    if logger:
        logger.save()


def _lines(path: Path) -> Iterator[dict[str, Any] | None]:
    """Every line of JSON as it comes; None where there is no whole one yet."""
    while not path.exists():
        yield None
    with path.open() as file:
        begun = ""
        while True:
            begun += file.readline()
            if begun.endswith("\n"):
                yield json.loads(begun)
                begun = ""
            else:
                yield None


def _is_whole(editor: Path) -> bool:
    """A bundle, or of a codec's training the codec alone: the trainer renames either into place when whole."""
    return any((editor / file).is_file() for file in ("model_index.json", "vqvae/config.json"))


def _readable(editor: Path) -> bool:
    """Whether every file can be opened, by the index in its head; nothing is loaded."""
    from safetensors import SafetensorError, safe_open

    whole = BUNDLE if (editor / "model_index.json").is_file() else BUNDLE[:1]
    try:
        for file in whole:
            read_json(editor / file)
        weights = [
            path for folder in editor.iterdir() if folder.is_dir() for path in folder.glob("*.safetensors")
        ]
        for path in weights:
            with safe_open(path, framework="pt"):
                pass
    except (OSError, ValueError, SafetensorError):
        return False
    return bool(weights)


def _aside(directory: Path) -> Path:
    number = 1
    while (aside := directory.with_name(f"{directory.name}.corrupt-{number}")).exists():
        number += 1
    return directory.rename(aside)
