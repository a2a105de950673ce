"""The networks that metrics look through, small and random."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from editmgt.metrics import Backbones


@pytest.fixture(scope="session")
def metric_weights_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the weights of :func:`metric_weights.write_all`."""
    from metric_weights import write_all

    directory = tmp_path_factory.mktemp("metric_weights")
    write_all(directory)
    return directory


@pytest.fixture(scope="session")
def tiny_backbones(metric_weights_dir: Path) -> "Backbones":
    """Those networks, read from their files."""
    from metric_weights import settings_of

    from editmgt.metrics import Backbones

    return Backbones(settings_of(metric_weights_dir))
