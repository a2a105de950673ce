"""Where a cell is logged: a W&B run of its own (offline without a key, never a prompt), CSV files, or nowhere."""

import math
import netrc
import os
import secrets
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlparse

from editmgt.config.benchmark import Benchmark
from editmgt.config.schema import Config, Logger
from editmgt.errors import on_one_line
from editmgt.results import RunDirectory, SweepDirectory, readable
from editmgt.results.run_directory import SAMPLES

_LONGEST_TAG = 64  # characters: W&B refuses a run with a longer one


class Tracker:
    """No logging; also what the others share."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def log(self) -> str | None:
        """Name of the W&B run, ``[entity/]project/id``."""
        return None

    def lightning_logger(self) -> Any:
        """What lightning logs a training to."""
        return False

    def link_training(self, log: str | None) -> None:
        """Say which W&B run the cell's training was logged to."""

    def link_weights(self, directory: Path, digest: str, made_here: bool) -> None:
        """Say which finished editor the cell judges, and whether its own training made it."""

    def log_results(self, metrics: dict[str, float]) -> None:
        """Log what ``directory`` holds once its cell is done."""

    def finish(self, failed: bool) -> None:
        """Close the log; a failed cell is closed as failed."""


class CsvTracker(Tracker):
    """Training curves in ``directory/csv``; those of a resumed training in the next version's folder."""

    def lightning_logger(self) -> Any:
        """Lightning's CSV logger."""
        from lightning.pytorch.loggers import CSVLogger

        return CSVLogger(self.directory, name="csv")


class WandbTracker(Tracker):
    """One W&B run for one cell; its id stays in the directory, so that a rerun goes on with it.

    Only a server can go on with a run: two offline folders of one id overwrite each other's curves when they are
    uploaded. So each offline attempt is a run of its own, whose configuration says which one it resumes.
    """

    def __init__(
        self,
        directory: Path,
        logger: Logger,
        config: Mapping[str, Any],
        group: str | None,
        name: str,
        job_type: str,
        tags: Sequence[str],
        benchmark: Benchmark | None,
    ) -> None:
        super().__init__(directory)
        self._logger, self._benchmark = logger, benchmark
        os.environ.setdefault("WANDB_SILENT", "true")  # else it asks whoever is not logged in, and waits
        import wandb

        stored, mode = readable(RunDirectory(directory).wandb_run) or {}, wandb_mode()
        last = stored.get("id")
        goes_on = last and mode == stored.get("mode", "online") == "online"
        of_agent = os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None
        run_id = of_agent or (str(last) if goes_on else secrets.token_hex(4))
        notes = {"git_commit": _commit(), "resumes": None if goes_on else last}
        self._run = wandb.init(
            project=logger.project,
            entity=logger.entity,
            group=group,
            name=name,
            job_type=job_type,
            tags=[tag[:_LONGEST_TAG] for tag in tags],
            id=run_id,
            resume="allow" if mode == "online" else None,
            mode=cast(Literal["online", "offline", "shared"], mode),
            dir=directory,
            config=dict(config) | {key: value for key, value in notes.items() if value},
            reinit="finish_previous",
            settings=wandb.Settings(console="off", disable_git=True, init_timeout=60),
        )
        RunDirectory(directory).write_wandb_run(run_id, mode)

    @property
    def log(self) -> str:
        """See :class:`Tracker`."""
        return "/".join(filter(None, [self._run.entity, self._run.project, self._run.id]))

    def link_training(self, log: str | None) -> None:
        """See :class:`Tracker`; the run that trained is linked by its name."""
        with _kept("its training's name"):
            self._run.config.update({"training_run": log}, allow_val_change=True)

    def link_weights(self, directory: Path, digest: str, made_here: bool) -> None:
        """See :class:`Tracker`; whatever makes or uses the same weights is linked by the artifact of their content."""
        from editmgt.tracking.wandb_files import log_weights

        with _kept("its editor"):
            log_weights(self._run, directory, digest, self._logger.weights, made_here)

    def lightning_logger(self) -> Any:
        """Lightning's logger onto this run; a curve that W&B does not take ends no training."""
        from lightning.pytorch.loggers import WandbLogger

        class Kept(WandbLogger):
            def log_metrics(self, *arguments: Any, **named: Any) -> None:
                with _kept("a step"):
                    super().log_metrics(*arguments, **named)

        return Kept(experiment=self._run, save_dir=self.directory)

    def log_results(self, metrics: dict[str, float]) -> None:
        """Log the metrics and their directions to the summary, the page of pictures and the table of samples."""
        with _kept("its results"):
            from editmgt.metrics import REGISTRY
            from editmgt.tracking.sample_table import sample_table
            from editmgt.tracking.wandb_files import define_goals, log_with_artifact

            finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
            specs = {name: REGISTRY.get(name.partition("[")[0]) for name in finite}
            define_goals(self._run, {name: spec.direction for name, spec in specs.items() if spec})
            run = RunDirectory(self.directory)
            pictures, files, tables = self._logger.pictures, run.files(), {}
            if SAMPLES in files:
                tables["samples_table"] = sample_table(self.directory, self._benchmark, pictures - 1)
            log_with_artifact(
                self._run,
                f"results-{self._run.id}",
                files,
                tables,
                finite | ({"samples": run.page} if pictures and run.page.is_file() else {}),
            )

    def log_report(self) -> None:
        """Log a sweep's tables and figures, as ``directory/report`` has them; all of the report is an artifact."""
        from editmgt.tracking.wandb_files import log_with_artifact, read_table

        report = self.directory / "report"
        log_with_artifact(
            self._run,
            f"report-{self._run.id}",
            {path.name: path for path in sorted(report.iterdir())},
            {f"report/{path.stem}": read_table(path) for path in sorted(report.glob("*.csv"))},
            {f"report/{path.stem}": path for path in sorted(report.glob("*.png"))},
        )

    def finish(self, failed: bool) -> None:
        """Close the run."""
        with _kept("its end"):
            self._run.finish(exit_code=1 if failed else 0)


def start(
    directory: Path,
    logger: Logger,
    config: Mapping[str, Any],
    group: str | None,
    name: str,
    job_type: str = "cell",
    tags: Sequence[str] = (),
    benchmark: Benchmark | None = None,
) -> Tracker:
    """Start the log that ``logger`` names; W&B that cannot start is said, and the work goes on, logged offline where it can be.

    W&B is told ``config``, as columns to sort runs by, and shows pictures of the samples of ``benchmark``.
    """
    if logger.name == "csv":
        return CsvTracker(directory)
    if logger.name == "wandb" and wandb_mode() != "disabled":
        try:
            return WandbTracker(directory, logger, config, group, name, job_type, tags, benchmark)
        except Exception as error:  # no server, no disk, a wrong key: the cell is worth more than its log
            if wandb_mode() == "online":
                print(
                    f"W&B could not start online, so all is logged offline from here on: {on_one_line(error)}"
                )
                # of the whole process: a cell need not wait for what an earlier one waited for
                os.environ["WANDB_MODE"] = "offline"
                return start(directory, logger, config, group, name, job_type, tags, benchmark)
            print(f"W&B could not start, so this {job_type} is not logged there: {on_one_line(error)}")
    return Tracker(directory)


def log_study(directory: Path, logger: Logger, tags: Sequence[str] = ()) -> None:
    """Log the report of the sweep in ``directory`` to a W&B run beside those of its cells, where W&B is online one for all reruns."""
    study = readable(SweepDirectory(directory).study)
    config = {"logger": logger.model_dump()} | ({"study": study.model_dump()} if study else {})
    tracker = start(directory, logger, config, directory.name, "summary", "summary", tags)
    if isinstance(tracker, WandbTracker):
        with _kept("the report"):  # which is on disk
            tracker.log_report()
        tracker.finish(failed=False)


def study_tags(config: Config) -> list[str]:
    """Return what a project's runs are picked out by: the study, and what it is judged on."""
    return [config.name, config.benchmark.name]


@contextmanager
def _kept(what: str) -> Iterator[None]:
    """Say what W&B could not log and go on: a cell is worth more than its log."""
    try:
        yield
    except Exception as error:
        print(f"W&B could not log {what}: {on_one_line(error)}", flush=True)


def wandb_mode() -> str:
    """``WANDB_MODE`` where it is set; else online with a key and offline without."""
    if mode := os.environ.get("WANDB_MODE"):
        return {"dryrun": "offline", "run": "online"}.get(mode, mode)
    return "online" if os.environ.get("WANDB_API_KEY") or _key_in_netrc() else "offline"


def sync_hint(directory: Path) -> str | None:
    """Return the command that uploads what was written offline under ``directory``; None: nothing was.

    It goes into each run's folder, from where the files of its artifacts are named.
    """
    if wandb_mode() != "offline":
        return None
    patterns = [
        pattern
        for pattern in ("*/wandb/offline-run-*", "wandb/offline-run-*")
        if any(directory.glob(pattern))
    ]
    where = shlex.quote(str(directory))  # not the pattern, which the shell expands
    runs = " ".join(f"{where}/{pattern}" for pattern in patterns)
    return f'for run in {runs}; do (cd "$run" && wandb sync .); done' if patterns else None


def _key_in_netrc() -> bool:
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _commit() -> str | None:
    """The commit of the source this runs from, where it is a git checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()
