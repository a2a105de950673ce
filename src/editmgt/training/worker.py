"""One process of a training group: ``python -m torch.distributed.run ... -m editmgt.training.worker TRAINING_DIR``."""

import sys
from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf

from editmgt.training.run import CHECKPOINTS, LAST, train


def main(directory: Path) -> None:
    """Train what ``directory/config.yaml`` says, from the checkpoint it names or its last one."""
    loaded = OmegaConf.to_container(OmegaConf.load(directory / "config.yaml"), resolve=True)
    config = cast(dict[str, Any], loaded)
    last, named = directory / CHECKPOINTS / LAST, config.get("resume")
    resume = Path(named) if named not in (None, "auto") else last if last.exists() else None
    train(config, directory, resume=resume)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
