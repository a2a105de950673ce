"""Where a cell is logged: a W&B run of its own (offline without a key, never a prompt), CSV files, or nowhere."""

import csv
import math
import netrc
import os
import secrets
import subprocess
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlparse

from editmgt.files import read_json, write_json

_ID = "wandb.json"


class Tracker:
    """No logging; also what the others share."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def lightning_logger(self) -> Any:
        """What lightning logs a training to."""
        return False

    def log_results(self, metrics: dict[str, float], fingerprints: dict[str, str | None]) -> None:
        """Log what ``directory`` holds once its cell is done."""

    def finish(self, failed: bool) -> None:
        """Close the log; a failed cell is closed as failed."""


class CsvTracker(Tracker):
    """Training curves in ``directory/csv``."""

    def lightning_logger(self) -> Any:
        """Lightning's CSV logger."""
        from lightning.pytorch.loggers import CSVLogger

        return CSVLogger(self.directory, name="csv", version="")


class WandbTracker(Tracker):
    """One W&B run for one cell; its id stays in the directory, so that a rerun goes on with it."""

    def __init__(self, directory: Path, config: dict[str, Any], group: str | None, name: str) -> None:
        super().__init__(directory)
        import wandb

        stored = read_json(directory / _ID) if (directory / _ID).is_file() else {}
        mode = wandb_mode()
        run_id = stored.get("id") or secrets.token_hex(4)
        write_json(directory / _ID, {"id": run_id})
        commit = _commit()
        self._run = wandb.init(
            project=config["logger"]["project"],
            entity=config["logger"]["entity"],
            group=group,
            name=name,
            id=run_id,
            resume="allow" if mode == "online" else None,
            mode=cast(Literal["online", "offline", "shared"], mode),
            dir=directory,
            config=config | ({"git_commit": commit} if commit else {}),
            reinit="finish_previous",
            settings=wandb.Settings(silent=True, console="off", disable_git=True, init_timeout=60),
        )

    def lightning_logger(self) -> Any:
        """Lightning's logger onto this run."""
        from lightning.pytorch.loggers import WandbLogger

        return WandbLogger(experiment=self._run, save_dir=self.directory)

    def log_results(self, metrics: dict[str, float], fingerprints: dict[str, str | None]) -> None:
        """Log the metrics to the summary, the picture page and the table of samples."""
        import wandb

        self._run.config.update(fingerprints, allow_val_change=True)
        logged: dict[str, Any] = {name: value for name, value in metrics.items() if math.isfinite(value)}
        if (self.directory / "samples.png").is_file():
            logged["samples"] = wandb.Image(str(self.directory / "samples.png"))
        if (self.directory / "samples.csv").is_file():
            with (self.directory / "samples.csv").open(newline="") as file:
                header, *rows = csv.reader(file)
            logged["samples_table"] = wandb.Table(columns=list[str | int](header), data=rows)
        self._run.log(logged)

    def finish(self, failed: bool) -> None:
        """Close the run."""
        self._run.finish(exit_code=1 if failed else 0)


def start(directory: Path, config: dict[str, Any], group: str | None, name: str) -> Tracker:
    """Start the log that ``config["logger"]`` names; W&B that cannot start is said, and the work goes on."""
    kind = config["logger"]["name"]
    if kind == "csv":
        return CsvTracker(directory)
    if kind == "wandb" and wandb_mode() != "disabled":
        try:
            return WandbTracker(directory, config, group, name)
        except Exception as error:  # no server, no disk, a wrong key: the cell is worth more than its log
            reason = str(error).strip().splitlines()
            print(
                f"W&B could not start, so this cell is not logged there: {reason[0] if reason else error!r}"
            )
    return Tracker(directory)


def wandb_mode() -> str:
    """``WANDB_MODE`` where it is set; else online with a key and offline without."""
    if mode := os.environ.get("WANDB_MODE"):
        return {"dryrun": "offline", "run": "online"}.get(mode, mode)
    return "online" if os.environ.get("WANDB_API_KEY") or _key_in_netrc() else "offline"


def sync_hint(directory: Path) -> str | None:
    """Return the command that uploads what was written offline under ``directory``; None: nothing was."""
    if wandb_mode() != "offline":
        return None
    below = "*/wandb" if any(directory.glob("*/wandb/offline-run-*")) else "wandb"
    return (
        f"wandb sync {directory / below}/offline-run-*"
        if any(directory.glob(f"{below}/offline-run-*"))
        else None
    )


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
