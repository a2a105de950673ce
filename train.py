"""Train an editor, evaluate it, report: ``python train.py [-m] key=value ...``."""

import sys
from pathlib import Path

from editmgt.interrupts import end_on_interrupt

if __name__ == "__main__":
    end_on_interrupt()  # what follows takes a while to import

import hydra
from omegaconf import DictConfig

from editmgt.sweeps import command
from editmgt.sweeps.cell import run_cell

CONF = Path(__file__).resolve().parent / "conf"


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def run(config: DictConfig) -> float | str | None:
    """Run one cell; Hydra calls this for each, and an adaptive sweeper chooses by what it returns."""
    return run_cell(config)


if __name__ == "__main__":
    sys.exit(command.main("train", run, CONF))
