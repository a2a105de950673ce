"""The LightningDataModule: which scenes a training reads."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from editmgt.codec import Codec
from editmgt.config.schema import Scenes
from editmgt.data.order import Share
from editmgt.data.pixels import PixelBatches
from editmgt.data.sample import EditPair
from editmgt.data.scene_tokens import TokenBatches, dev_batches, tokenized
from editmgt.data.scenes import SceneDataset
from editmgt.text import TextEncoder


class SceneData(LightningDataModule):
    """Training and dev scenes, tokenized once into ``data.cache_dir``; a codec (``kind`` codec) reads pixels instead."""

    def __init__(self, kind: str, codec: Codec | None, text: TextEncoder | None, data: Scenes) -> None:
        super().__init__()
        self.kind, self.codec, self.text, self.data = kind, codec, text, data
        self.train_scenes = SceneDataset(
            "train", data.seed, data.train_size, data.resolution, data.world,
            lessons=data.lessons.model_dump(), wrong_pairs=data.wrong_pairs,
        )  # fmt: skip
        self.dev_scenes = SceneDataset("dev", 0, data.dev_size, data.resolution, data.world)

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
        codec, scenes = self.kind == "codec", self.train_scenes
        share = Share.of(self.trainer, self.data.batch_size, per_row=2 if codec else 1)
        batches: Any
        if codec:
            batches = PixelBatches(scenes, share)
        else:
            batches = TokenBatches(self._tokens(scenes), self.data.seed, share, scenes.name)
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
            return list(PixelBatches(self.dev_scenes, Share(self.data.batch_size // 2)).once())
        return dev_batches(self._tokens(self.dev_scenes), self.data.batch_size, rank, world_size)

    def _tokens(self, scenes: SceneDataset) -> dict[str, Tensor]:
        assert self.codec is not None and self.text is not None
        return tokenized(scenes, self.codec, self.text, self.kind, Path(self.data.cache_dir))
