"""One edit with as much of its truth as is known: what every data set yields, and what evaluation and metrics read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from editmgt.data.scenes.graph import Scene


@dataclass(frozen=True)
class Reading:
    """One thing an instruction may mean: a target, uint8 [H, W, 3], and where it differs from the source, bool [H, W]."""

    target: NDArray[np.uint8]
    edit_mask: NDArray[np.bool_]


@dataclass(frozen=True)
class EditSample:
    """A picture, an instruction, and as much of the truth as its data set knows; the rest is None or empty.

    Attributes:
        sample_id: unique within its data set; seeds the sample's own randomness.
        source_id: the picture's identity (several edits of one picture share it; statistics cluster on it).
        source: uint8 [H, W, 3].
        instruction: the sentence.
        asked: what was asked for in a judge's words, where that is not the instruction.
        edit_type: the data set's own name for the kind of edit.
        target: uint8 [H, W, 3]; where its size is not the source's, metrics compare at the target's.
        edit_mask: bool [H, W] in the target's size, or the source's where there is no target; True where an edit
            may change something.
        source_caption: what the source shows.
        target_caption: what the target shows.
        slice: named subset.
        alternatives: other readings of an ambiguous instruction, as valid as (``target``, ``edit_mask``).
        before: instructions that come first, each carried out on the result of the one before it.
        parts: of an instruction that asks for several things, where each of them happens: bool [H, W] each.
    """

    sample_id: str
    source_id: str
    source: NDArray[np.uint8]
    instruction: str
    edit_type: str = ""
    target: NDArray[np.uint8] | None = None
    edit_mask: NDArray[np.bool_] | None = None
    source_caption: str = ""
    target_caption: str = ""
    slice: str = ""
    before: tuple[str, ...] = ()
    alternatives: tuple[Reading, ...] = ()
    parts: tuple[NDArray[np.bool_], ...] = ()
    asked: str = ""

    @property
    def request(self) -> str:
        """What was asked for, as a judge is told it."""
        return self.asked or " Then: ".join((*self.before, self.instruction))


@dataclass(frozen=True, kw_only=True)
class EditPair(EditSample):
    """A sample to learn from: its target is known, where it differs, and of what is rendered the scene graphs."""

    target: NDArray[np.uint8]
    edit_mask: NDArray[np.bool_]
    source_scene: Scene | None = None
    target_scene: Scene | None = None


class Samples(Protocol):
    """The rows of a data set; one that cannot be read raises when it is asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> EditSample: ...
