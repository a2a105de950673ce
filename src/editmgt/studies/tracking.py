"""Where a cell is logged: a W&B run of its own (offline without a key, never a prompt), CSV files, or nowhere."""

import math
import netrc
import os
import secrets
import shlex
import subprocess
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlparse

from editmgt.files import read_object, write_json
from editmgt.spreadsheet import from_csv

_ID = "wandb.json"


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
        self, directory: Path, config: dict[str, Any], group: str | None, name: str, job_type: str
    ) -> None:
        super().__init__(directory)
        import wandb

        stored, mode = read_object(directory / _ID) or {}, wandb_mode()
        last = stored.get("id")
        goes_on = last and mode == stored.get("mode", "online") == "online"
        run_id = last if goes_on else secrets.token_hex(4)
        write_json(directory / _ID, {"id": run_id, "mode": mode})
        notes = {"git_commit": _commit(), "resumes": None if goes_on else last}
        self._run = wandb.init(
            project=config["logger"]["project"],
            entity=config["logger"]["entity"],
            group=group,
            name=name,
            job_type=job_type,
            id=run_id,
            resume="allow" if mode == "online" else None,
            mode=cast(Literal["online", "offline", "shared"], mode),
            dir=directory,
            config=config | {key: value for key, value in notes.items() if value},
            reinit="finish_previous",
            settings=wandb.Settings(silent=True, console="off", disable_git=True, init_timeout=60),
        )

    @property
    def log(self) -> str:
        """See :class:`Tracker`."""
        return "/".join(filter(None, [self._run.entity, self._run.project, self._run.id]))

    def link_training(self, log: str | None) -> None:
        """See :class:`Tracker`; the run that trained is linked by its name."""
        self._run.config.update({"training_run": log}, allow_val_change=True)

    def lightning_logger(self) -> Any:
        """Lightning's logger onto this run."""
        from lightning.pytorch.loggers import WandbLogger

        return WandbLogger(experiment=self._run, save_dir=self.directory)

    def log_results(self, metrics: dict[str, float]) -> None:
        """Log the metrics to the summary, the picture page and the table of samples."""
        import wandb

        logged: dict[str, Any] = {name: value for name, value in metrics.items() if math.isfinite(value)}
        if (self.directory / "samples.png").is_file():
            logged["samples"] = wandb.Image(str(self.directory / "samples.png"))
        if (self.directory / "samples.csv").is_file():
            logged["samples_table"] = _table(self.directory / "samples.csv")
        self._run.log(logged)

    def log_report(self) -> None:
        """Log a sweep's tables and figures, as ``directory/report`` has them."""
        import wandb

        report = self.directory / "report"
        tables = {f"report/{path.stem}": _table(path) for path in sorted(report.glob("*.csv"))}
        figures = {f"report/{path.stem}": wandb.Image(str(path)) for path in sorted(report.glob("*.png"))}
        self._run.log({**tables, **figures})

    def finish(self, failed: bool) -> None:
        """Close the run."""
        self._run.finish(exit_code=1 if failed else 0)


def start(
    directory: Path, config: dict[str, Any], group: str | None, name: str, job_type: str = "cell"
) -> Tracker:
    """Start the log that ``config["logger"]`` names; W&B that cannot start is said, and the work goes on."""
    kind = config["logger"]["name"]
    if kind == "csv":
        return CsvTracker(directory)
    if kind == "wandb" and wandb_mode() != "disabled":
        try:
            return WandbTracker(directory, config, group, name, job_type)
        except Exception as error:  # no server, no disk, a wrong key: the cell is worth more than its log
            print(f"W&B could not start, so this {job_type} is not logged there: {_reason(error)}")
    return Tracker(directory)


def log_study(directory: Path, logger: dict[str, Any]) -> None:
    """Log the report of the sweep in ``directory`` to a W&B run beside those of its cells, where W&B is online one for all reruns."""
    tracker = start(directory, {"logger": logger}, directory.name, "summary", job_type="summary")
    if isinstance(tracker, WandbTracker):
        try:
            tracker.log_report()
            tracker.finish(failed=False)
        except Exception as error:  # the report is on disk: a log that fails takes nothing away
            tracker.finish(failed=True)
            print(f"W&B could not log the report: {_reason(error)}")


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else repr(error)


def wandb_mode() -> str:
    """``WANDB_MODE`` where it is set; else online with a key and offline without."""
    if mode := os.environ.get("WANDB_MODE"):
        return {"dryrun": "offline", "run": "online"}.get(mode, mode)
    return "online" if os.environ.get("WANDB_API_KEY") or _key_in_netrc() else "offline"


def sync_hint(directory: Path) -> str | None:
    """Return the command that uploads what was written offline under ``directory``; None: nothing was."""
    if wandb_mode() != "offline":
        return None
    patterns = [
        pattern
        for pattern in ("*/wandb/offline-run-*", "wandb/offline-run-*")
        if any(directory.glob(pattern))
    ]
    where = shlex.quote(str(directory))  # not the pattern, which the shell expands
    return " ".join(["wandb sync", *(f"{where}/{pattern}" for pattern in patterns)]) if patterns else None


def _key_in_netrc() -> bool:
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _table(path: Path) -> Any:
    import wandb

    header, *rows = from_csv(path.read_bytes().decode())
    return wandb.Table(columns=list[str | int](header), data=rows)


def _commit() -> str | None:
    """The commit of the source this runs from, where it is a git checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()
