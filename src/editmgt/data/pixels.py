"""Endless pictures of rendered scenes, for training a codec."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import torch
from torch.utils.data import IterableDataset

from editmgt.data.scenes import SceneDataset


class PixelBatches(IterableDataset[dict[str, Any]]):
    """Batches of ``pixels`` [B, 3, H, W] in [0, 1], sources and targets in turn, from ``start_step`` on.

    ``ids`` names their scenes.
    """

    def __init__(self, scenes: SceneDataset, batch_size: int, start_step: int = 0) -> None:
        self.scenes, self.batch_size, self.start_step = scenes, batch_size, start_step

    def __iter__(self) -> Iterator[dict[str, Any]]:
        each = self.batch_size // 2
        for step in count(self.start_step):
            yield self._batch(range(step * each, (step + 1) * each))

    def once(self) -> Iterator[dict[str, Any]]:
        """Every scene once and in order."""
        each = self.batch_size // 2
        for start in range(0, len(self.scenes), each):
            yield self._batch(range(start, min(start + each, len(self.scenes))))

    def _batch(self, positions: range) -> dict[str, Any]:
        samples = [self.scenes[position % len(self.scenes)] for position in positions]
        pictures = [
            torch.from_numpy(picture) for sample in samples for picture in (sample.source, sample.target)
        ]
        return {
            "pixels": torch.stack(pictures).permute(0, 3, 1, 2).float() / 255,
            "ids": [sample.sample_id for sample in samples],
        }
