"""Endless pictures of rendered scenes, for training a codec."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from editmgt.data.scenes import SceneDataset


class PixelBatches(IterableDataset[dict[str, Tensor]]):
    """Batches of ``pixels`` [B, 3, H, W] in [0, 1], sources and targets in turn, from ``start_step`` on."""

    def __init__(self, scenes: SceneDataset, batch_size: int, start_step: int = 0) -> None:
        self.scenes, self.batch_size, self.start_step = scenes, batch_size, start_step

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        position = self.start_step * self.batch_size // 2
        while True:
            pictures = []
            for _ in range(self.batch_size // 2):
                sample = self.scenes[position % len(self.scenes)]
                pictures += [torch.from_numpy(sample.source), torch.from_numpy(sample.target)]
                position += 1
            yield {"pixels": torch.stack(pictures).permute(0, 3, 1, 2).float() / 255}
