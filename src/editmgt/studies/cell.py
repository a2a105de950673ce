"""One cell, from its configuration to its stored rows; whatever goes wrong in it stays in it."""

import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from editmgt.config import edit_values, local_directory
from editmgt.errors import UserError
from editmgt.files import read_json, write_atomic, write_json
from editmgt.studies import trainings
from editmgt.studies.fingerprint import protocol_fingerprint, training_fingerprint, weights_digest
from editmgt.studies.plan import TRAININGS, read_plan
from editmgt.studies.tracking import Tracker, start

if TYPE_CHECKING:
    from editmgt.editing import Editor, EditSettings


def run_cell(composed: DictConfig) -> None:
    """Run what Hydra composed; a failure is recorded and told, not raised, so that the next cell runs."""
    container = OmegaConf.to_container(composed, resolve=True)
    assert isinstance(container, dict)
    config = {str(key): value for key, value in container.items()}
    hydra = HydraConfig.get()
    plan = read_plan(Path(os.path.relpath(hydra.runtime.output_dir)))
    name = plan.name_of(hydra.overrides.task) if hydra.mode == RunMode.MULTIRUN else ""
    total = len(plan.cells)
    position = f"[{[*plan.cells].index(name) + 1}/{total}] " if name in plan.cells and plan.is_sweep else ""
    sweep = plan.directory.name if plan.is_sweep else ""

    def say(text: str) -> None:
        print(f"{position}{name or plan.directory}: {text}", flush=True)

    Cell(config, plan.cell_directory(name), name or plan.directory.name, sweep, say).run()


class Cell:
    """A configuration, its directory, and what is said of it.

    Args:
        config: plain and validated.
        directory: everything is written to; made when missing.
        name: of the cell.
        sweep: name of the sweep's directory, empty for a single run.
        say: tells the user one line.
    """

    def __init__(
        self, config: dict[str, Any], directory: Path, name: str, sweep: str, say: Callable[[str], None]
    ) -> None:
        self.config, self.directory, self.name, self.sweep, self.say = config, directory, name, sweep, say
        self._fingerprints: dict[str, str | None] = {
            "training_fingerprint": None,
            "protocol_fingerprint": None,
        }

    def run(self) -> None:
        """Run, or skip what is done; ``status.json`` tells how it ended."""
        try:
            self._identify()
            if self._is_done():
                self.say("done before, skipped")
                return
            self.directory.mkdir(parents=True, exist_ok=True)
            write_atomic(self.directory / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(self.config)))
            self._status("running")
            (self.directory / "error.txt").unlink(missing_ok=True)
            with self._tracker() as tracker, _interrupts():
                metrics = self._work(tracker)
                tracker.log_results(metrics, self._fingerprints)
            self._status("done")
        except KeyboardInterrupt:
            self._status("failed", "interrupted")
            raise
        except Exception as error:  # the other cells go on
            message = " ".join(
                f"{'' if isinstance(error, UserError) else type(error).__name__ + ': '}{error}".split()
            )
            write_atomic(self.directory / "error.txt", traceback.format_exc())
            self._status("failed", message)
            where = "" if isinstance(error, UserError) else f" (see {self.directory / 'error.txt'})"
            print(f"{self.name} failed: {message}{where}", file=sys.stderr, flush=True)

    def _identify(self) -> None:
        config = self.config
        if config["task"] == "evaluate":
            training = weights_digest(config["checkpoint"])
            settings = edit_settings(config, self._checkpoint())
        else:
            training, settings = training_fingerprint(config), edit_settings(config)
        self._fingerprints = {
            "training_fingerprint": training,
            "protocol_fingerprint": protocol_fingerprint(config, settings.to_dict()),
        }

    def _is_done(self) -> bool:
        try:
            status, _ = read_json(self.directory / "status.json"), read_json(self.directory / "metrics.json")
        except (OSError, ValueError):
            return False
        if not isinstance(status, dict) or status.get("state") != "done":
            return False
        return all(status.get(key) == value for key, value in self._fingerprints.items())

    def _work(self, tracker: Tracker) -> dict[str, float]:
        config = self.config
        if config["task"] == "evaluate":
            editor = self._checkpoint().to(_device(config["device"]))
            self._link_checkpoint(local_directory(config["checkpoint"]))
            return judge(editor, edit_settings(config, editor), config, self.directory, self.say)
        directory = training_directory(config, self.directory.parent if self.sweep else self.directory)
        finished = trainings.obtain(
            config,
            directory,
            cell=self.name,
            sweep=self.sweep,
            make_logger=tracker.lightning_logger,
            say=self.say,
        )
        self._link_checkpoint(finished)
        progress = directory / "progress.json"
        if progress.is_file():
            shutil.copyfile(progress, self.directory / "progress.json")
        if config["model"]["kind"] != "editor":  # a codec or a base model edits nothing
            after = read_json(progress).get("after", {}) if progress.is_file() else {}
            write_json(self.directory / "metrics.json", after)
            return dict(after)
        device = "cpu" if config["trainer"]["accelerator"] == "cpu" else "auto"
        editor = load_editor(str(finished)).to(_device(device))
        return judge(editor, edit_settings(config, editor), config, self.directory, self.say)

    def _checkpoint(self) -> "Editor":
        return load_editor(*(self.config[key] for key in ("checkpoint", "dtype", "text_encoder_afterwards")))

    @contextmanager
    def _tracker(self) -> Iterator[Tracker]:
        tracker = start(self.directory, self.config, self.sweep or None, self.name)
        try:
            yield tracker
        except BaseException:
            tracker.finish(failed=True)
            raise
        tracker.finish(failed=False)

    def _status(self, state: str, error: str | None = None) -> None:
        write_json(self.directory / "status.json", {"state": state, "error": error, **self._fingerprints})

    def _link_checkpoint(self, target: Path | None) -> None:
        """Put a relative link to the weights, which cells share, at ``checkpoints/editor``."""
        folder = self.directory / "checkpoints"
        folder.mkdir(exist_ok=True)
        if target is None:
            write_atomic(folder / "editor.txt", f"{self.config['checkpoint']}\n")
            return
        temporary = folder / f".editor.{os.getpid()}"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(os.path.relpath(target, folder))
        temporary.replace(folder / "editor")


def training_directory(config: dict[str, Any], owner: Path) -> Path:
    """Return where a training lives: shared by fingerprint, or with ``reuse=false`` the owner's alone."""
    fingerprint = training_fingerprint(config)
    return TRAININGS / (fingerprint if config["reuse"] else f"{fingerprint}-{owner.name}")


def edit_settings(config: dict[str, Any], editor: "Editor | None" = None) -> "EditSettings":
    """Return the settings of a cell's edits; what ``evaluate.py`` leaves null is the editor's own."""
    from editmgt.editing import EditSettings

    values = edit_values(config)
    if config["task"] == "train":
        return EditSettings().override(**values)
    start = EditSettings() if editor is None else editor.settings
    return start.override(**{name: value for name, value in values.items() if value is not None})


def load_editor(name: str, dtype: str = "float32", text_encoder_afterwards: str = "keep") -> "Editor":
    """Return an editor, the last ones kept: cells of a sweep mostly share theirs."""
    return _load_editor(name, dtype, text_encoder_afterwards)


@lru_cache(maxsize=2)
def _load_editor(name: str, dtype: str, text_encoder_afterwards: str) -> "Editor":
    import torch

    from editmgt.editing import Editor

    return Editor.from_pretrained(
        name, dtype=getattr(torch, dtype), text_encoder_afterwards=text_encoder_afterwards
    )


def judge(
    editor: "Editor",
    settings: "EditSettings",
    config: dict[str, Any],
    directory: Path,
    say: Callable[[str], None],
) -> dict[str, float]:
    """Run the configuration's benchmark and leave rows, metrics and pictures in ``directory``."""
    from editmgt.benchmarks import evaluate
    from editmgt.metrics import scorer_of

    benchmark, scorer = config["benchmark"], scorer_of(config["metrics"])
    for name, reason in scorer.not_run.items():
        say(f"{name} not run: {reason}")
    say(f"editing {benchmark['size']} samples of {benchmark['name']}, {settings.steps} steps each")
    start = time.perf_counter()
    with progress_bar() as advance:
        metrics = evaluate(
            editor,
            samples(config),
            settings,
            directory,
            batch_size=benchmark["batch_size"],
            seed=benchmark["seed"],
            metrics=scorer,
            progress=advance,
        )
    if not metrics["n"]:
        raise RuntimeError(f"none of the {benchmark['size']} samples could be edited; samples.csv says why")
    say(f"edited in {time.perf_counter() - start:.0f} s")
    return metrics


def samples(config: dict[str, Any]) -> Any:
    """Return the rows of the configuration's benchmark."""
    from editmgt.benchmarks import scenes

    benchmark = config["benchmark"]
    return scenes(
        n=benchmark["size"],
        seed=benchmark["seed"],
        resolution=benchmark["resolution"],
        world=benchmark["world"],
        split=benchmark["split"],
    )


@contextmanager
def progress_bar() -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing in a file."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("editing", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def _interrupts() -> Iterator[None]:
    """Lightning turns Ctrl-C into ``sys.exit(1)``, which would look like a failed cell: turn it back."""
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise RuntimeError(f"the training ended the process with status {error.code}") from error


def _device(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
