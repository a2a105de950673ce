"""The LightningDataModule: which scenes a training reads."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from editmgt.codec import Codec
from editmgt.config.schema import Scenes
from editmgt.data.pixels import PixelBatches
from editmgt.data.sample import EditPair
from editmgt.data.scene_tokens import TokenBatches, dev_batches, tokenized
from editmgt.data.scenes import SceneDataset
from editmgt.errors import UserError
from editmgt.text import TextEncoder

_DEV_SIZE = 256


class SceneData(LightningDataModule):
    """Training and dev scenes, tokenized once into ``data.cache_dir``; a codec (``kind`` codec) reads pixels instead.

    Args:
        kind: ``editor``, ``base`` or ``codec``.
        data: which scenes, and how many of them are a step.
    """

    def __init__(self, kind: str, codec: Codec | None, text: TextEncoder | None, data: Scenes) -> None:
        super().__init__()
        self.kind, self.codec, self.text, self.data = kind, codec, text, data
        lessons = data.lessons.model_dump()
        self.train_scenes = SceneDataset(
            "train",
            data.seed,
            data.train_size,
            data.resolution,
            data.world,
            lessons=lessons,
            wrong_pairs=data.wrong_pairs,
        )
        self.dev_scenes = SceneDataset("dev", 0, _DEV_SIZE, data.resolution, data.world)

    def prepare_data(self) -> None:
        """Render and encode on one process; the others then read the files."""
        if self.kind != "codec":
            self._tokens(self.train_scenes)
            self._tokens(self.dev_scenes)

    @property
    def dev_samples(self) -> Sequence[EditPair]:
        """What previews edit."""
        return cast(Sequence[EditPair], self.dev_scenes)

    def train_dataloader(self) -> Iterable[dict[str, Tensor]]:
        """Batches from the step that the trainer has reached."""
        assert self.trainer is not None
        step = self.trainer.global_step * self.trainer.accumulate_grad_batches
        size, world_size = self.data.batch_size, self.trainer.world_size
        rank, each = (
            self.trainer.global_rank,
            2 if self.kind == "codec" else 1,
        )  # of a scene a codec reads two pictures
        if size % (each * world_size):
            two = "twice " if each == 2 else ""
            raise UserError(f"data.batch_size={size} must be a multiple of {two}the {world_size} processes.")
        batches: Any
        if self.kind == "codec":
            batches = PixelBatches(self.train_scenes, size, step, rank, world_size)
        else:
            tokens, seed, name = self._tokens(self.train_scenes), self.data.seed, self.train_scenes.name
            batches = TokenBatches(tokens, size, seed, step, rank, world_size, name)
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
            return list(PixelBatches(self.dev_scenes, self.data.batch_size).once())
        return dev_batches(self._tokens(self.dev_scenes), self.data.batch_size, rank, world_size)

    def _tokens(self, scenes: SceneDataset) -> dict[str, Tensor]:
        assert self.codec is not None and self.text is not None
        return tokenized(scenes, self.codec, self.text, self.kind, Path(self.data.cache_dir))
