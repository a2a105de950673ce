"""One cell, from its configuration to its stored rows; whatever goes wrong in it stays in it."""

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from editmgt.config import edit_values
from editmgt.errors import UserError
from editmgt.files import read_json, write_atomic, write_json
from editmgt.studies import trainings
from editmgt.studies.fingerprint import protocol_fingerprint, training_fingerprint, weights_digest
from editmgt.studies.plan import EDITS, TRAININGS, read_layers, read_plan
from editmgt.studies.study import PRIMARY
from editmgt.studies.tracking import Tracker, start
from editmgt.weights import local as local_directory

if TYPE_CHECKING:
    from editmgt.editing import Editor, EditSettings

_LOADING = ("checkpoint", "dtype", "text_encoder_afterwards")  # what decides how weights are loaded
INTERRUPTED = "interrupted"  # the error of a cell that the user stopped


def run_cell(composed: DictConfig) -> float | None:
    """Run what Hydra composed; a failure is recorded and told, not raised, so that the next cell runs.

    Returns the primary metric, for a sweeper that chooses the next cells by it; None for a failed cell.
    """
    container = OmegaConf.to_container(composed, resolve=True)
    assert isinstance(container, dict)
    config = {str(key): value for key, value in container.items()}
    hydra = HydraConfig.get()
    plan = read_plan(Path(os.path.relpath(hydra.runtime.output_dir)))
    name = plan.name_of(hydra.overrides.task) if hydra.mode == RunMode.MULTIRUN else ""
    cells = [] if plan.adaptive or not plan.is_sweep else [*plan.cells]
    position = f"[{cells.index(name) + 1}/{len(cells)}] " if name in cells else ""
    sweep = plan.directory.name if plan.is_sweep else ""

    def say(text: str) -> None:
        print(f"{position}{name or plan.directory}: {text}", flush=True)

    layers = read_layers(plan.directory)
    cell = Cell(config, plan.cell_directory(name), name or plan.directory.name, sweep, layers, say)
    metrics = cell.run()
    return None if metrics is None else metrics.get(primary(config))


def primary(config: dict[str, Any]) -> str:
    """Return the metric that a sweep is about."""
    return str(config["study"]["primary"]) if config["study"] else PRIMARY


class Cell:
    """A configuration, its directory, and what is said of it.

    Args:
        config: plain and validated.
        directory: everything is written to; made when missing.
        name: of the cell.
        sweep: name of the sweep's directory, empty for a single run.
        layers: blocks whose maps other cells of the sweep read.
        say: tells the user one line.
    """

    def __init__(
        self,
        config: dict[str, Any],
        directory: Path,
        name: str,
        sweep: str,
        layers: set[int],
        say: Callable[[str], None],
    ) -> None:
        self.config, self.directory, self.name, self.sweep, self.say = config, directory, name, sweep, say
        self.layers = layers
        self._fingerprints: dict[str, str | None] = {
            "training_fingerprint": None,
            "protocol_fingerprint": None,
        }

    def run(self) -> dict[str, float] | None:
        """Run, or skip what is done; ``status.json`` tells how it ended. Returns the metrics, None for failed."""
        try:
            self._fingerprints |= identify(self.config)
            if is_done(self.directory, self._fingerprints):
                self.say("done before, skipped")
                return dict(read_json(self.directory / "metrics.json"))
            resume = was_cut_off(self.directory, self._fingerprints)
            self._prepare()
            with self._tracker() as tracker, _interrupts():
                metrics = self._work(tracker, resume)
                tracker.log_results(metrics, self._fingerprints)
            self._status("done")
            return metrics
        except KeyboardInterrupt:
            self._fail(INTERRUPTED)
            raise
        except Exception as error:  # the other cells go on
            message = " ".join(
                f"{'' if isinstance(error, UserError) else type(error).__name__ + ': '}{error}".split()
            )
            where = "" if isinstance(error, UserError) else f" (see {self.directory / 'error.txt'})"
            print(f"{self.name} failed: {message}{where}", file=sys.stderr, flush=True)
            self._fail(message, traceback.format_exc())
            return None

    def _prepare(self) -> None:
        """Make the directory, without what an earlier attempt said of itself."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if (self.directory / "metrics.json").is_file() and _read_object(
            self.directory / "metrics.json"
        ) is None:
            self.say("metrics.json cannot be read: judging again")
        for stale in ("metrics.json", "error.txt"):
            (self.directory / stale).unlink(missing_ok=True)
        write_atomic(self.directory / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(self.config)))
        self._status("running")

    def _fail(self, message: str, details: str = "") -> None:
        try:
            self._status("failed", message)
            if details:
                write_atomic(self.directory / "error.txt", details)
        except OSError as error:  # such as a full disk: the cell is then one that did not run to its end
            print(f"{self.name}: even that could not be written: {error}", file=sys.stderr, flush=True)

    def _work(self, tracker: Tracker, resume: bool) -> dict[str, float]:
        config = self.config
        if config["task"] == "evaluate":
            editor = self._checkpoint().to(_device(config["device"]))
            self._link_checkpoint(local_directory(config["checkpoint"]))
            return self._judge(editor, config["checkpoint"], resume)
        directory = training_directory(config, self.directory.parent if self.sweep else self.directory)
        finished = trainings.obtain(
            config,
            directory,
            cell=self.name,
            sweep=self.sweep,
            log=tracker.log,
            make_logger=tracker.lightning_logger,
            say=self.say,
        )
        tracker.link_training(trainings.log_of(directory))
        self._link_checkpoint(finished)
        progress = _read_object(directory / "progress.json")
        if progress is not None:
            write_json(self.directory / "progress.json", progress)
        if config["model"]["kind"] != "editor":  # a codec or a base model edits nothing
            after = dict((progress or {}).get("after", {}))
            write_json(self.directory / "metrics.json", after)
            return after
        device = "cpu" if config["trainer"]["accelerator"] == "cpu" else "auto"
        return self._judge(load_editor(str(finished)).to(_device(device)), str(finished), resume)

    def _judge(self, editor: "Editor", weights: str, resume: bool) -> dict[str, float]:
        from editmgt.studies import edits

        settings = edit_settings(self.config, editor)
        owner = self.directory.parent if self.sweep else self.directory
        store = edits_directory(weights, editor, settings, self.config, owner)
        layers = self.layers | edits.layers_read(settings)
        asker = {"cell": self.name, "sweep": self.sweep}
        with edits.opened(editor, store, layers, asker, self.say) as stored:
            return judge(stored, settings, self.config, self.directory, self.say, resume)

    def _checkpoint(self) -> "Editor":
        return load_editor(*(self.config[key] for key in _LOADING))

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


def was_cut_off(directory: Path, fingerprints: dict[str, str | None]) -> bool:
    """Whether ``directory`` holds rows of the same weights and protocol that something outside stopped.

    A run that failed by itself is no such thing: it is tried again from its first row.
    """
    try:
        status = read_json(directory / "status.json")
        stopped = status["state"] == "running" or status["error"] == INTERRUPTED
        return stopped and all(status.get(key) == value for key, value in fingerprints.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def training_directory(config: dict[str, Any], owner: Path) -> Path:
    """Return where a training lives: shared by fingerprint, or with ``reuse=false`` the owner's alone."""
    fingerprint = training_fingerprint(config)
    return TRAININGS / (fingerprint if config["reuse"] else f"{fingerprint}-{owner.name}")


def edits_directory(
    weights: str, editor: "Editor", settings: "EditSettings", config: dict[str, Any], owner: Path
) -> Path:
    """Return where a benchmark's edits live: shared by fingerprint, or with ``reuse=false`` the owner's alone.

    One process at a time has a directory; of two benchmarks neither waits for the other. ``weights`` is the name or the
    directory that ``editor`` was loaded from.
    """
    from editmgt.studies.edits import edits_fingerprint

    seed, device = edit_seed(config), editor.device.type
    fingerprint = edits_fingerprint(weights_digest(weights), settings, seed, device)
    name = f"{config['benchmark']['name']}-{fingerprint}"
    return EDITS / (name if config["reuse"] else f"{name}-{owner.name}")


def edit_settings(config: dict[str, Any], editor: "Editor | None" = None) -> "EditSettings":
    """Return the settings of a cell's edits; what ``evaluate.py`` leaves null is the editor's own."""
    from editmgt.editing import EditSettings

    if config["task"] == "train":
        return EditSettings().override(**edit_values(config))
    return _override(EditSettings() if editor is None else editor.settings, config)


def _override(start: "EditSettings", config: dict[str, Any]) -> "EditSettings":
    values = edit_values(config)
    return start.override(**{name: value for name, value in values.items() if value is not None})


def edit_seed(config: dict[str, Any]) -> int:
    """Return the seed of the edits' noise; a training has its own, so that its cells are edited alike."""
    return int(config["seed"] if config["task"] == "evaluate" else config["benchmark"]["seed"])


def identify(config: dict[str, Any]) -> dict[str, str | None]:
    """Return the fingerprints of a cell's training and protocol."""
    if config["task"] == "evaluate":
        training, settings = weights_digest(config["checkpoint"]), cell_settings(config)
    else:
        training, settings = training_fingerprint(config), edit_settings(config)
    protocol = protocol_fingerprint(config, settings.to_dict(), edit_seed(config))
    return {"training_fingerprint": training, "protocol_fingerprint": protocol}


def cell_settings(config: dict[str, Any]) -> "EditSettings":
    """Return :func:`edit_settings` of a cell, its checkpoint's own ones among them."""
    if config["task"] == "train":
        return edit_settings(config)
    return _override(_finished_with(*(config[key] for key in _LOADING)), config)


@cache
def _finished_with(checkpoint: str, dtype: str, text_encoder_afterwards: str) -> "EditSettings":
    return load_editor(checkpoint, dtype, text_encoder_afterwards).settings


def is_done(directory: Path, fingerprints: dict[str, str | None]) -> bool:
    """Whether a cell's directory holds its finished results, of these very fingerprints."""
    status = status_of(directory)
    same = all(status.get(key) == value for key, value in fingerprints.items())
    return status.get("state") == "done" and same and _read_object(directory / "metrics.json") is not None


def status_of(directory: Path) -> dict[str, Any]:
    """Return what ``status.json`` says; nothing, where it is absent or broken."""
    return _read_object(directory / "status.json") or {}


def _read_object(path: Path) -> dict[str, Any] | None:
    """A JSON object; None for what is absent or broken."""
    try:
        values = read_json(path)
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


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
    resume: bool = False,
) -> dict[str, float]:
    """Run the configuration's benchmark and leave rows, metrics and pictures in ``directory``."""
    from editmgt.benchmarks import build
    from editmgt.benchmarks.run import run
    from editmgt.metrics import scorer_of

    benchmark = config["benchmark"]
    for name, reason in scorer_of(config["metrics"]).not_run.items():
        say(f"{name} not run: {reason}")
    size = len(build(benchmark))
    say(f"editing {size} samples of {benchmark['name']}, {settings.steps} steps each")
    start = time.perf_counter()
    metrics = run(
        editor, settings, config, directory, lambda title: progress_bar(title, say), edit_seed(config), resume
    )
    if not metrics["n"]:
        raise RuntimeError(f"none of the {size} samples could be edited; samples.csv says why")
    failed = f", {metrics['failed']:g} failed (samples.csv names them)" if metrics["failed"] else ""
    say(f"{metrics['n']:g} edited in {time.perf_counter() - start:.0f} s{failed}")
    return metrics


@contextmanager
def progress_bar(title: str, say: Callable[[str], None]) -> Iterator[Callable[[int, int], None]]:
    """A bar with the time left on a terminal; in a file, a line every now and then."""
    from rich.console import Console
    from rich.progress import Progress

    if not sys.stderr.isatty():
        yield _Lines(title, say).update
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _Lines:
    """Progress as lines, at most one every ``PAUSE`` seconds."""

    PAUSE = 30.0

    def __init__(self, title: str, say: Callable[[str], None]) -> None:
        self.title, self.say = title, say
        self._start = self._told = time.perf_counter()
        self._first: int | None = None

    def update(self, done: int, total: int) -> None:
        now = time.perf_counter()
        if self._first is None:
            self._first = done  # what an earlier run did takes no time now
        if now - self._told < self.PAUSE or done == self._first:
            return
        self._told = now
        left = (now - self._start) / (done - self._first) * (total - done)
        self.say(f"{self.title}: {done:,} of {total:,}, about {left / 60:.0f} min left")


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
