"""A training's processes: ``python -m editmgt.training.group DEVICES TRAINING_DIR`` is torchrun without its own messages.

What ends a process is told by that process, in a line where it is the user's to mend.
"""

import logging
import sys

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError


def main(devices: str, directory: str) -> int:
    """Run :mod:`editmgt.training.worker` as ``devices`` processes; where one dies, the others are ended."""
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    try:
        run.main(
            ["--standalone", "--nproc-per-node", devices, "-m", "editmgt.training.worker", directory],
        )
    except ChildFailedError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
