"""What an editor was told of the instruction."""

from torch import Tensor

from editmgt.metrics.registry import metric

CUT = "instruction/cut"


@metric(
    CUT,
    direction="neither",
    low=0,
    high=1,
    description="1 where the instruction is longer than the text encoder reads, 0 where all of it is read; the column is "
    "there where any of a benchmark's instructions is cut",
    source="this project",
    reads=("cut",),
    default=False,
)
def cut(cut_B: Tensor) -> Tensor:
    """Return 0 or 1 [B]."""
    return cut_B
