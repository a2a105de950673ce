"""What metrics read: edited pictures, their truth, and what the editor told of itself.

Shapes: B batch, 3 RGB, H W pixels, h w a coarser grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from editmgt.metrics.backbones import Backbones


@dataclass(frozen=True)
class EditBatch:
    """Edits and their truth, as the registry's metrics read them.

    What a benchmark does not have is None, and metrics that read it are not defined.

    Attributes:
        edited, source, target: pictures [B,3,H,W] in [0, 1].
        edit_mask: bool [B,H,W], True where an edit may change something.
        source_codec: the codec's round trip of the source [B,3,H,W].
        localization: the editor's map [B,h,w] in [0, 1], on the grid of its source.
        held: bool [B,h,w] on the code grid, True where region hold decided.
        hold_threshold: the score from which a token is free, where the hold rule has one.
        seconds: what each sample's edit took [B].
        cut: 1 where the text encoder does not read all of a sample's instruction, else 0 [B].
        source_caption, target_caption: what the source and the target show, B sentences; "" where unknown.
        backbones: the networks that some metrics look through.
    """

    edited: Tensor
    source: Tensor
    target: Tensor | None
    edit_mask: Tensor | None
    source_codec: Tensor | None
    localization: Tensor | None = None
    held: Tensor | None = None
    hold_threshold: float | None = None
    seconds: Tensor | None = None
    cut: Tensor | None = None
    source_caption: Sequence[str] | None = None
    target_caption: Sequence[str] | None = None
    backbones: "Backbones | None" = None

    @property
    def outside(self) -> Tensor | None:
        """Bool [B,H,W], True where nothing should change."""
        return None if self.edit_mask is None else ~self.edit_mask

    def backbone(self, kind: str) -> Any:
        """Return the network of a kind."""
        if self.backbones is None:
            raise ValueError(f"this metric needs the {kind} network: give the batch its backbones")
        return self.backbones.get(kind)
