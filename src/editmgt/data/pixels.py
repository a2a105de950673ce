"""Endless pictures of rendered scenes, for training a codec."""

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

import torch
from torch.utils.data import IterableDataset

from editmgt.data.order import Share
from editmgt.data.scenes import SceneDataset


class PixelBatches(IterableDataset[dict[str, Any]]):
    """Batches of ``pixels`` [B, 3, H, W] in [0, 1], source and target of each scene in the ``share``; ``ids`` names those."""

    def __init__(self, scenes: SceneDataset, share: Share) -> None:
        self.scenes, self.share = scenes, share

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for step in count(self.share.start_step):
            yield self._batch(self.share.positions(step))

    def once(self) -> Iterator[dict[str, Any]]:
        """Every scene once and in order, whatever the process."""
        each = self.share.global_batch
        for start in range(0, len(self.scenes), each):
            yield self._batch(range(start, min(start + each, len(self.scenes))))

    def _batch(self, positions: Iterable[int]) -> dict[str, Any]:
        samples = [self.scenes[position % len(self.scenes)] for position in positions]
        pictures = [
            torch.from_numpy(picture) for sample in samples for picture in (sample.source, sample.target)
        ]
        return {
            "pixels": torch.stack(pictures).permute(0, 3, 1, 2).float() / 255,
            "ids": [sample.sample_id for sample in samples],
        }
