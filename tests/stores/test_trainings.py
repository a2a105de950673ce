"""Where a training goes on."""

from pathlib import Path

import pytest
import torch

from editmgt.stores.trainings import state
from editmgt.training import LAST, checkpoint_to_go_on_from


def checkpoint(training: Path) -> Path:
    path = training / LAST
    path.parent.mkdir(parents=True)
    torch.save({}, path)
    return path


@pytest.mark.parametrize("resume", [None, "auto"])
def test_a_training_begins_or_goes_on_from_its_last_checkpoint(tmp_path: Path, resume: str | None) -> None:
    assert checkpoint_to_go_on_from(tmp_path / "own", resume) is None
    last = checkpoint(tmp_path / "own")
    assert state(tmp_path / "own") == "unfinished"
    assert checkpoint_to_go_on_from(tmp_path / "own", resume) == last


def test_what_it_was_begun_from_counts_until_it_has_a_checkpoint_of_its_own(tmp_path: Path) -> None:
    other = checkpoint(tmp_path / "other")
    assert checkpoint_to_go_on_from(tmp_path / "own", str(other)) == other
    last = checkpoint(tmp_path / "own")
    assert checkpoint_to_go_on_from(tmp_path / "own", str(other)) == last


def test_one_of_its_own_checkpoints_can_be_named(tmp_path: Path) -> None:
    earlier = checkpoint(tmp_path / "own").with_name("earlier.ckpt")
    assert checkpoint_to_go_on_from(tmp_path / "own", str(earlier)) == earlier
