"""One cell, from its configuration to its stored rows; whatever goes wrong in it stays in it."""

import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from editmgt.config import Config, parse_config
from editmgt.config.schema import Evaluate, Train
from editmgt.errors import UserError, on_one_line
from editmgt.files import WriteError, write_atomic
from editmgt.lock import locked
from editmgt.results import RunDirectory, readable
from editmgt.results.run_directory import ERROR, METRICS
from editmgt.stores import trainings
from editmgt.stores.fingerprint import weights_digest
from editmgt.stores.identity import (
    edit_settings,
    edits_directory,
    identify,
    in_another_precision,
    protocol_of,
    ready_editor,
    training_directory,
)
from editmgt.sweeps.compose import settle
from editmgt.sweeps.elsewhere import LEFT, RunElsewhere, leave, needed
from editmgt.sweeps.objective import primary
from editmgt.sweeps.plan import read_layers, read_plan
from editmgt.sweeps.status import INTERRUPTED, is_done, was_cut_off
from editmgt.tracking.tracker import Tracker, start, study_tags
from editmgt.weights import local as local_directory

if TYPE_CHECKING:
    from editmgt.editing import EditSettings


def run_cell(composed: DictConfig) -> float | str | None:
    """Run what Hydra composed; a failure is recorded and told, not raised, so that the next cell runs.

    Returns the primary metric, for a sweeper that chooses the next cells by it; None for a failed cell; ``LEFT`` for one
    that another process runs, or trains what it needs.
    """
    container = OmegaConf.to_container(composed, resolve=True)
    assert isinstance(container, dict)
    config = parse_config({str(key): value for key, value in container.items()})
    settle(config)
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
    try:
        metrics = cell.run(wait=plan.adaptive or not plan.is_sweep)
    except RunElsewhere:
        say("another process runs it, or its training: left to that one")
        return LEFT
    if metrics is None:
        return None
    wanted = primary(config)
    if plan.adaptive and wanted not in metrics:  # the next cells would be chosen blindly
        raise UserError(f"{wanted} is defined for no sample of {cell.name}: nothing can be chosen by it.")
    return metrics.get(wanted)


class Cell:
    """A configuration, its directory, and what is said of it.

    Args:
        directory: everything is written to; made when missing.
        name: of the cell.
        sweep: name of the sweep's directory, empty for a single run.
        layers: blocks whose maps other cells of the sweep read.
        say: tells the user one line.
    """

    def __init__(
        self,
        config: Config,
        directory: Path,
        name: str,
        sweep: str,
        layers: set[int],
        say: Callable[[str], None],
    ) -> None:
        self.config, self.directory, self.name, self.sweep, self.say = config, directory, name, sweep, say
        self.layers, self.run_directory = layers, RunDirectory(directory)
        self._fingerprints: dict[str, str | None] = {
            "training_fingerprint": None,
            "protocol_fingerprint": None,
        }

    def run(self, wait: bool) -> dict[str, float] | None:
        """Run, or skip what is done; ``status.json`` tells how it ended. Returns the metrics, None for failed.

        One process at a time runs a cell.

        Args:
            wait: for another process that runs it.

        Raises:
            RunElsewhere: where there is such a process, or one that trains what the cell needs, and ``wait`` is False.
        """
        locks = needed(self.config, self.directory, self._owner)
        try:
            with locked(
                next(locks), partial(self.say, "waiting: another process runs this cell") if wait else leave
            ):
                return self._run(() if wait else locks)
        except OSError as error:  # the lock's: what goes wrong in the cell is told there
            print(f"{self.name} failed: {error}", file=sys.stderr, flush=True)
            return None

    def _run(self, free: Iterable[Path]) -> dict[str, float] | None:
        """Run the cell, if nobody has locked what has to be ``free``."""
        try:
            self._fingerprints |= identify(self.config)
            if is_done(self.directory, self._fingerprints):
                self.say("done before, skipped")
                return self.run_directory.metrics()
            for lock in free:
                with locked(lock, leave):
                    pass
            resume = was_cut_off(self.directory, self._fingerprints)
            self._prepare(resume)
            with self._tracker() as tracker, _interrupts():
                metrics = self._work(tracker, resume)
                tracker.log_results(metrics)
            self._status("done")
            return metrics
        except RunElsewhere:
            raise
        except KeyboardInterrupt:
            self._fail(INTERRUPTED)
            raise
        except Exception as error:  # the other cells go on
            plain = isinstance(error, UserError | WriteError)
            message = " ".join(str(error).split()) if plain else on_one_line(error)
            where = "" if plain else f" (see {self.directory / ERROR})"
            print(f"{self.name} failed: {message}{where}", file=sys.stderr, flush=True)
            self._fail(message, "" if isinstance(error, WriteError) else traceback.format_exc())
            return None

    def _prepare(self, resume: bool) -> None:
        """Make the directory, without what an earlier attempt said of itself, and its rows unless it goes on with them."""
        self.directory.mkdir(parents=True, exist_ok=True)
        run = self.run_directory
        if run.has_metrics() and readable(run.metrics) is None:
            self.say(f"{METRICS} cannot be read: judging again")
        run.forget(rows=not resume)
        run.write_config(self.config.model_dump(), protocol_of(self.config))
        self._status("running")

    def _fail(self, message: str, details: str = "") -> None:
        try:
            self._status("failed", message)
            if details:
                self.run_directory.write_error(details)
        except OSError as error:  # such as a full disk: the cell is then one that did not run to its end
            print(f"{self.name}: even that could not be written: {error}", file=sys.stderr, flush=True)

    def _work(self, tracker: Tracker, resume: bool) -> dict[str, float]:
        config = self.config
        if isinstance(config, Evaluate):
            weights = local_directory(config.checkpoint)
            self._link_checkpoint(weights, config.checkpoint)
            if weights is not None:  # what is on the hub is named in the configuration
                tracker.link_weights(weights, weights_digest(config.checkpoint), made_here=False)
            return self._judge(config.checkpoint, resume)
        directory = training_directory(config, self._owner)
        if trainings.state(directory) == "absent" and (other := in_another_precision(config, self._owner)):
            self.say(other)
        finished = trainings.obtain(
            config,
            directory,
            cell=self.name,
            sweep=self.sweep,
            log=tracker.log,
            make_logger=tracker.lightning_logger,
            say=self.say,
        )
        log = trainings.log_of(directory)
        tracker.link_training(log)
        tracker.link_weights(finished, weights_digest(str(finished)), made_here=log == tracker.log)
        if not config.edits:
            self._link_checkpoint(finished, str(finished))
        progress = readable(RunDirectory(directory).progress) or {}
        if progress:
            self.run_directory.write_progress(progress)
        if not config.edits:  # a codec or a base model edits nothing
            after = progress.get("after", {})
            self.run_directory.write_metrics(after)
            return after
        return self._judge(str(finished), resume)

    def _judge(self, weights: str, resume: bool) -> dict[str, float]:
        config = self.config
        if isinstance(config, Train):  # a training that is shared was finished with one cell's settings
            settings = edit_settings(config, ready_editor(config, weights))
            self._link_checkpoint(Path(weights), weights, settings)
        asker = {"cell": self.name, "sweep": self.sweep}
        return judged(config, weights, self.directory, self._owner, asker, self.say, resume, self.layers)

    @property
    def _owner(self) -> Path:
        """Whose trainings and edits these are where they are not shared with all."""
        return self.directory.parent if self.sweep else self.directory

    @contextmanager
    def _tracker(self) -> Iterator[Tracker]:
        config = self.config
        tracker = start(
            self.directory,
            config.logger,
            config.model_dump() | self._fingerprints,
            self.sweep or None,
            self.name,
            tags=study_tags(config),
            benchmark=config.benchmark,
        )
        try:
            yield tracker
        except BaseException:
            tracker.finish(failed=True)
            raise
        tracker.finish(failed=False)

    def _status(self, state: str, error: str | None = None) -> None:
        self.run_directory.write_status(state, error, **self._fingerprints)

    def _link_checkpoint(
        self, target: Path | None, name: str, settings: "EditSettings | None" = None
    ) -> None:
        """Put the weights, which cells share, at ``checkpoints/editor``, to edit with ``settings``; of the hub's their name."""
        from editmgt.editing.bundle import link  # late: it imports torch

        folder = self.directory / "checkpoints"
        folder.mkdir(exist_ok=True)
        if target is None:
            write_atomic(folder / "editor.txt", f"{name}\n")
        else:
            link(target, folder / "editor", settings)


def judged(
    config: Config,
    weights: str,
    directory: Path,
    owner: Path,
    asker: dict[str, str],
    say: Callable[[str], None],
    resume: bool,
    layers: Iterable[int] = (),
) -> dict[str, float]:
    """Leave rows, metrics and pictures of the configuration's benchmark in ``directory``; returns the metrics.

    ``owner`` has the edits where they are not shared with all, ``asker`` is the ``cell`` and the ``sweep`` that ask for them, and
    ``layers`` are blocks whose maps others read. With ``resume`` the rows that are there are kept.
    """
    from editmgt.evaluation.benchmark_run import run
    from editmgt.stores import stored_edits

    editor = ready_editor(config, weights)
    settings = edit_settings(config, editor)
    store = edits_directory(weights, editor, settings, config, owner)
    with stored_edits.opened(editor, store, stored_edits.layers_read(settings, layers), asker, say) as stored:
        return run(stored.editor, stored, settings, config, directory, say, resume)


@contextmanager
def _interrupts() -> Iterator[None]:
    """Lightning turns Ctrl-C and SIGTERM into ways to exit, which would look like a failed cell: turn them back."""
    try:
        yield
    except SystemExit as error:
        from lightning.pytorch.utilities.exceptions import SIGTERMException

        if isinstance(error, SIGTERMException) or isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise RuntimeError(f"the training ended the process with status {error.code}") from error
