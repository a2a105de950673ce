"""One edit with its truth: what every dataset yields and every metric reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from editmgt.data.scenes.graph import Scene


@dataclass(frozen=True)
class EditSample:
    """A picture, an instruction and what the instruction asks for.

    Attributes:
        sample_id: unique within its dataset; seeds the sample's own randomness.
        source_id: the picture's identity (several edits of one picture share it; statistics cluster on it).
        source: uint8 [H, W, 3].
        target: uint8 [H, W, 3].
        instruction: the sentence.
        edit_mask: bool [H, W], True where source and target differ (where an edit may change something).
        edit_type: one of CrispEdit-2M's names.
        source_caption: what the source shows.
        target_caption: what the target shows.
        slice: named subset of a benchmark, empty when there is none.
        source_scene, target_scene: the scene graphs, where the pictures were rendered from them.
    """

    sample_id: str
    source_id: str
    source: NDArray[np.uint8]
    target: NDArray[np.uint8]
    instruction: str
    edit_mask: NDArray[np.bool_]
    edit_type: str
    source_caption: str
    target_caption: str
    slice: str = ""
    source_scene: Scene | None = None
    target_scene: Scene | None = None
