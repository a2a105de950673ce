"""Learning: masking and loss, the Lightning modules, and one call that trains what a configuration says."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

    from editmgt.config.schema import Train

# What a training's directory holds.
LAST = Path("checkpoints/last.ckpt")  # to go on from
EDITOR = Path("editor")  # the finished bundle
ERROR = Path("error.txt")  # what a group of processes failed of, where the user can mend it
LOG = Path("log.jsonl")  # what a group of processes measured, see editmgt.training.worker


def checkpoint_to_go_on_from(directory: Path, resume: str | None) -> Path | None:
    """Return where the training in ``directory`` goes on; None where it begins.

    That is its own last checkpoint, once there is one: a training that was begun from another's, which ``resume`` names,
    and was killed would otherwise begin from that one again.
    """
    own, named = directory / LAST, None if resume in (None, "auto") else Path(str(resume))
    its_own = named is not None and named.resolve().parent.parent == directory.resolve()
    return own if own.is_file() and not its_own else named


def train(
    config: "Train", training_dir: Path, *, resume: Path | None = None, logger: "Logger | bool" = False
) -> Path:
    """See :func:`editmgt.training.run.train`; imported late because it loads everything."""
    from editmgt.training.run import train as run

    return run(config, training_dir, resume=resume, logger=logger)
