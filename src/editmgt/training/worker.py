"""One process of a training group (see :mod:`editmgt.training.group`)."""

import json
import sys
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import OmegaConf

from editmgt.config import problems
from editmgt.config.schema import Train
from editmgt.editing.cuts import told_once
from editmgt.errors import UserError, tell
from editmgt.files import write_atomic
from editmgt.training import ERROR, LOG, checkpoint_to_go_on_from
from editmgt.training.run import train


class LineLogger(Logger):
    """Writes what the first process measures as lines of JSON, for the process that started the group to log."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    @property
    def name(self) -> str:
        """Of no use here."""
        return "lines"

    @property
    def version(self) -> str:
        """Of no use here."""
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append one line; a reader waits for its end."""
        values = {name: float(value) for name, value in metrics.items()}
        with self._path.open("a") as file:
            file.write(json.dumps({"step": step, "metrics": values}) + "\n")

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """The configuration is on disk."""


def main(directory: Path) -> None:
    """Train what ``directory/config.yaml`` says, if it is still valid, from the checkpoint it names or its last one."""
    loaded: Any = OmegaConf.to_container(OmegaConf.load(directory / "config.yaml"), resolve=True)
    tell(problems(loaded))
    config = Train.model_validate(loaded)
    start = checkpoint_to_go_on_from(directory, config.resume)
    train(config, directory, resume=start, logger=LineLogger(directory / LOG))


def run(directory: Path) -> int:
    """Train, and leave what the user can mend in ``ERROR``, for the process that started the group to tell."""
    try:
        with told_once(print):
            main(directory)
    except (UserError, OSError) as error:
        said = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        try:
            write_atomic(directory / ERROR, said)
        except OSError:  # a full disk
            print(said, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1])))
