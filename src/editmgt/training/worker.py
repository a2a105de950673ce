"""One process of a training group: ``python -m torch.distributed.run ... -m editmgt.training.worker TRAINING_DIR``."""

import sys
from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf

from editmgt.training.run import CHECKPOINTS, LAST, train


def main(directory: Path) -> None:
    """Train what ``directory/config.yaml`` says, from its last checkpoint if there is one."""
    loaded = OmegaConf.to_container(OmegaConf.load(directory / "config.yaml"), resolve=True)
    config = cast(dict[str, Any], loaded)
    last = directory / CHECKPOINTS / LAST
    train(config, directory, resume=last if last.exists() else None)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
