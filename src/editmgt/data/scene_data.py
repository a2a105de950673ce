"""The LightningDataModule: which scenes a training reads."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from editmgt.codec import Codec
from editmgt.data.pixels import PixelBatches
from editmgt.data.sample import EditSample
from editmgt.data.scene_tokens import TokenBatches, dev_batches, tokenized
from editmgt.data.scenes import SceneDataset
from editmgt.errors import UserError
from editmgt.text import TextEncoder

_DEV_SIZE = 256


class SceneData(LightningDataModule):
    """Training and dev scenes, tokenized once into ``cache_dir``; a codec (``kind`` codec) reads pixels instead.

    Args:
        kind: ``editor``, ``base`` or ``codec``.
        train_size: distinct training samples.
        batch_size: samples a step, over all processes.
        lessons: shares of the training samples that are no plain edits (:class:`SceneDataset`).
    """

    def __init__(
        self,
        kind: str,
        codec: Codec | None,
        text: TextEncoder | None,
        *,
        world: str,
        resolution: int,
        train_size: int,
        batch_size: int,
        seed: int,
        cache_dir: Path,
        lessons: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.kind, self.codec, self.text = kind, codec, text
        self.train_scenes = SceneDataset("train", seed, train_size, resolution, world, lessons=lessons)
        self.dev_scenes = SceneDataset("dev", 0, _DEV_SIZE, resolution, world)
        self.batch_size, self.seed, self.cache_dir = batch_size, seed, cache_dir

    def prepare_data(self) -> None:
        """Render and encode on one process; the others then read the files."""
        if self.kind != "codec":
            self._tokens(self.train_scenes)
            self._tokens(self.dev_scenes)

    @property
    def dev_samples(self) -> Sequence[EditSample]:
        """What previews edit."""
        return cast(Sequence[EditSample], self.dev_scenes)

    def train_dataloader(self) -> Iterable[dict[str, Tensor]]:
        """Batches from the step that the trainer has reached."""
        assert self.trainer is not None
        step = self.trainer.global_step * self.trainer.accumulate_grad_batches
        world_size = self.trainer.world_size
        if self.batch_size % world_size:
            raise UserError(
                f"data.batch_size={self.batch_size} must be a multiple of the {world_size} processes."
            )
        if self.kind == "codec":
            return DataLoader(PixelBatches(self.train_scenes, self.batch_size, step), batch_size=None)
        batches = TokenBatches(
            self._tokens(self.train_scenes),
            self.batch_size,
            self.seed,
            step,
            self.trainer.global_rank,
            world_size,
            self.train_scenes.name,
        )
        return DataLoader(batches, batch_size=None)

    def val_dataloader(self) -> Iterable[dict[str, Tensor]]:
        """The dev scenes, once."""
        assert self.trainer is not None
        # a list is a dataset
        fixed: Any = self.dev_batches(self.trainer.global_rank, self.trainer.world_size)
        return DataLoader(fixed, batch_size=None)

    def dev_batches(self, rank: int = 0, world_size: int = 1) -> list[dict[str, Tensor]]:
        """The dev scenes' batches; of all but a codec's, one process's part of each."""
        if self.kind == "codec":
            return list(PixelBatches(self.dev_scenes, self.batch_size).once())
        return dev_batches(self._tokens(self.dev_scenes), self.batch_size, rank, world_size)

    def _tokens(self, scenes: SceneDataset) -> dict[str, Tensor]:
        assert self.codec is not None and self.text is not None
        return tokenized(scenes, self.codec, self.text, self.kind, self.cache_dir)
