"""Endless pictures of rendered scenes, for training a codec."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import torch
from torch.utils.data import IterableDataset

from editmgt.data.scenes import SceneDataset


class PixelBatches(IterableDataset[dict[str, Any]]):
    """Batches of ``pixels`` [B, 3, H, W] in [0, 1], sources and targets in turn, from ``start_step`` on.

    ``ids`` names their scenes. Of each batch's scenes a process takes every ``world_size``-th.

    Args:
        batch_size: pictures of all processes: two for each scene.
    """

    def __init__(
        self,
        scenes: SceneDataset,
        batch_size: int,
        start_step: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.scenes, self.each, self.start_step = scenes, batch_size // 2, start_step
        self.rank, self.world_size = rank, world_size

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for step in count(self.start_step):
            yield self._batch(range(step * self.each + self.rank, (step + 1) * self.each, self.world_size))

    def once(self) -> Iterator[dict[str, Any]]:
        """Every scene once and in order, whatever the process."""
        for start in range(0, len(self.scenes), self.each):
            yield self._batch(range(start, min(start + self.each, len(self.scenes))))

    def _batch(self, positions: range) -> dict[str, Any]:
        samples = [self.scenes[position % len(self.scenes)] for position in positions]
        pictures = [
            torch.from_numpy(picture) for sample in samples for picture in (sample.source, sample.target)
        ]
        return {
            "pixels": torch.stack(pictures).permute(0, 3, 1, 2).float() / 255,
            "ids": [sample.sample_id for sample in samples],
        }
