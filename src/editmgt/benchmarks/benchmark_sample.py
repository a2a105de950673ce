"""One row of a benchmark: what every protocol yields and the evaluation reads."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from editmgt.data.sample import EditSample


@dataclass(frozen=True)
class Reading:
    """One thing an instruction may mean.

    Attributes:
        target: uint8 [H, W, 3].
        edit_mask: bool [H, W], True where source and target differ.
    """

    target: NDArray[np.uint8]
    edit_mask: NDArray[np.bool_]


@dataclass(frozen=True)
class BenchmarkSample:
    """A picture, an instruction, and as much of the truth as the benchmark knows; the rest is None or empty.

    Attributes:
        sample_id: unique within its benchmark; seeds the sample's own randomness.
        source_id: the picture's identity (statistics cluster on it).
        source: uint8 [H, W, 3].
        instruction: the sentence.
        asked: what was asked for in a judge's words, where that is not the instruction.
        edit_type: the benchmark's own name for the kind of edit.
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

    @classmethod
    def of(cls, sample: "EditSample | BenchmarkSample") -> "BenchmarkSample":
        """Return a sample of any data set as a benchmark's row."""
        if isinstance(sample, BenchmarkSample):
            return sample
        return cls(
            sample_id=sample.sample_id,
            source_id=sample.source_id,
            source=sample.source,
            instruction=sample.instruction,
            edit_type=sample.edit_type,
            target=sample.target,
            edit_mask=sample.edit_mask,
            source_caption=sample.source_caption,
            target_caption=sample.target_caption,
            slice=sample.slice,
        )


class Samples(Protocol):
    """A benchmark's rows; one that cannot be read raises when it is asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> EditSample | BenchmarkSample: ...
