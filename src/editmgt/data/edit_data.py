"""The LightningDataModule of edit datasets: pairs from files or the hub, encoded as they come or out of a token cache."""

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

import editmgt
from editmgt.codec import Codec
from editmgt.config.schema import Edits
from editmgt.data.bad_rows import BadRow, BadRows, told
from editmgt.data.batches import (
    PROBLEM,
    CachedBatches,
    Mixture,
    PairBatches,
    bucketed,
    checked,
    no_good_row,
    with_a_good_one,
)
from editmgt.data.buckets import bucket_sizes
from editmgt.data.cache import TokenCache
from editmgt.data.encoding import collate, encode
from editmgt.data.order import Share
from editmgt.data.rows import EditRows
from editmgt.data.sample import EditPair
from editmgt.data.scene_tokens import dev_batches
from editmgt.data.sources import identity
from editmgt.data.transform import Pair, Transform, View
from editmgt.editing.cuts import count_line
from editmgt.errors import UserError
from editmgt.text import TextEncoder

BAD_ROWS = "bad_rows.csv"
# What makes crops of rows.
_SOURCE = {"data": ("transform", "buckets", "rows", "cells"), "editing": ("images", "masks", "picture_files")}
_PROBE = (
    "Make the 2 hats on the left RED, quickly! Jaded zombies acted quaintly; kept driving their oxen forward. "
    "The cat’s “ﬁne” hat &amp; ＭＯＲＥ."
)


class EditData(LightningDataModule):
    """Training and dev pairs of the datasets in ``data``, for a model of ``kind`` editor, base or codec (which needs no parts).

    Dev rows are spread evenly over each dataset (of a stream: its first ones) and never trained on. Bad rows are told in
    ``directory``. Where ``text_learns``, batches hold token ids, not states. Sides of crops are multiples of ``pixels_per_cell``.
    """

    def __init__(
        self,
        kind: str,
        codec: Codec | None,
        text: TextEncoder | None,
        data: Edits,
        *,
        text_learns: bool,
        directory: Path,
        pixels_per_cell: int = 1,
    ) -> None:
        super().__init__()
        self.kind, self.codec, self.text, self.data = kind, codec, text, data
        self.transform = make_transform(data, pixels_per_cell)
        self.datasets = open_all(data, kind)
        self.bad = BadRows(directory / BAD_ROWS, data.max_bad_share)
        self.cache: TokenCache | None = None
        if data.token_cache is not None and kind != "codec":
            assert codec is not None and text is not None
            grids = [
                (height // codec.downsampling, width // codec.downsampling)
                for width, height in self.transform.sizes
            ]
            facts = cache_facts(data, kind, codec, text, text_learns)
            self.cache = TokenCache(Path(data.token_cache), facts, grids)
            self.cache.check_rows([len(rows) for rows in self.datasets])
        self.held_out: frozenset[str] = frozenset()
        self._train_rows: tuple[NDArray[np.int64], ...] = ()
        self.dev_samples: Sequence[EditPair] = self._split()

    def prepare_data(self) -> None:
        """Verify the cache's checksums, or count the texts that the text encoder cuts, on one process.

        A cache's were counted when it was made; a stream's are not known before it is read.
        """
        if self.cache is not None:
            self.cache.verify()
        elif self.text is not None and not self.data.streaming:
            texts = [text for rows in self.datasets for text in rows.texts() if text is not None]
            if line := count_line(texts, self.text, "texts to learn from"):
                print(line, flush=True)

    def train_dataloader(self) -> Iterable[dict[str, Any]]:
        """Batches from the step that the trainer has reached."""
        share, mixtures = Share.of(self.trainer, self.data.batch_size), self._mixtures()
        batches: Any
        if self.cache is not None:
            batches = CachedBatches(self.cache, mixtures, share)
        else:
            batches = PairBatches(self.datasets, mixtures, self.transform, self.bad, share, self.held_out)
        return DataLoader(batches, batch_size=None, num_workers=self.data.num_workers)

    def val_dataloader(self) -> Iterable[dict[str, Any]]:
        """The dev pairs, once, encoded as they come; a codec has none."""
        if self.kind == "codec":
            return []
        assert self.trainer is not None
        # a list is a dataset
        fixed: Any = self.dev_batches(self.trainer.global_rank, self.trainer.world_size)
        return DataLoader(fixed, batch_size=None)

    def dev_batches(self, rank: int = 0, world_size: int = 1) -> list[dict[str, Tensor]]:
        """The dev pairs' batches, one process's part of each."""
        if not hasattr(self, "_dev_tensors"):
            self._dev_tensors = self._encode_dev()
        size = self.data.batch_size
        return [
            batch for tensors in self._dev_tensors for batch in dev_batches(tensors, size, rank, world_size)
        ]

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Encode pixels where the model is; what comes out of a cache is encoded already."""
        if PROBLEM in batch:
            raise UserError(batch[PROBLEM])
        if "target_pixels" not in batch:
            return batch
        if self.kind == "codec":
            pixels = [batch[name] for name in ("source_pixels", "target_pixels") if name in batch]
            return {"pixels": torch.cat(pixels).float() / 255, "ids": batch["ids"]}
        assert self.codec is not None
        return encode(batch, self.codec.to(batch["target_pixels"].device), self.text)

    def teardown(self, stage: str) -> None:
        """Say what was left out."""
        if self.trainer is not None and self.trainer.is_global_zero and (named := self.bad.named()):
            print(f"Bad rows left out: {told(named)}; {self.bad.log} names them.")

    def _mixtures(self) -> list[Mixture]:
        ratios = tuple(spec.ratio for spec in self.data.datasets.values())
        mixture = Mixture(self.data.seed, ratios, self._train_rows, self.transform.variants)
        if self.data.streaming:
            return [mixture]
        buckets = [self._buckets(rows) for rows in self.datasets]
        if self.cache is not None:
            good = map(self.cache.good_rows, range(len(buckets)))
            rows = tuple(map(with_a_good_one, mixture.rows, good, buckets))
            for dataset, left in zip(self.datasets, rows, strict=True):
                if not len(left):
                    raise no_good_row(dataset.name)
            mixture = replace(mixture, rows=rows)
        return [mixture] if len(self.transform.sizes) == 1 else bucketed(mixture, buckets)

    def _buckets(self, rows: EditRows) -> NDArray[np.int64]:
        """The bucket of every row; what has no size is met, and found bad, in the commonest."""
        if len(self.transform.sizes) == 1:
            return np.zeros(len(rows), np.int64)
        sizes, which = np.unique(rows.sizes(), axis=0, return_inverse=True)
        of_sizes = [self.transform.bucket((w, h)) if w and h else -1 for w, h in sizes.tolist()]
        buckets = np.array(of_sizes)[which.ravel()]
        if (known := buckets[buckets >= 0]).size:
            buckets[buckets < 0] = np.bincount(known).argmax()
        return buckets.clip(0)

    def _split(self) -> list[EditPair]:
        """Choose dev rows, and the training rows without them; return the dev pairs."""
        each = max(1, self.data.dev_size // len(self.datasets))
        samples, held_out, train_rows = [], set[str](), []
        named: Iterable[tuple[int | str, Any]]
        for rows in self.datasets:
            count = (self.data.train_size or each * 10) if rows.streaming else len(rows)
            few = min(each, max(1, count // 10))
            if rows.streaming:
                tables = list(islice(rows, few + 1))
                count = len(tables)
                named = [(rows.digest(table), table) for table in tables[:-1]]  # one is left to learn from
                held_out |= {str(name) for name, _ in named}
            else:
                dev = np.unique(np.arange(few) * count // few)
                train_rows.append(np.setdiff1d(np.arange(count), dev))
                named = ((row, rows.dataset[row]) for row in dev.tolist())
            if count < 2:
                raise UserError(
                    f"data.datasets.{rows.name} holds {count} rows: one to learn from, one to judge by."
                )
            for name, table in named:
                with suppress(BadRow):
                    pair = checked(rows, name, table, self.transform, self.bad)
                    samples.append(self._sample(f"{rows.name}-{name}", pair))
        self.held_out, self._train_rows = frozenset(held_out), tuple(train_rows)
        if not samples:
            raise UserError(
                f"None of the dev rows can be used ({told(self.bad.reasons)}): {self.bad.log} names them."
            )
        return samples

    def _sample(self, name: str, pair: Pair) -> EditPair:
        view = self.transform(pair, 0)
        source = view.target if view.source is None else view.source
        edit_mask = (source != view.target).any(axis=2) if pair.mask is None else view.edit_mask
        return EditPair(
            sample_id=name,
            source_id=name,
            source=source,
            target=view.target,
            instruction=pair.text,
            edit_mask=edit_mask,
            edit_type=pair.edit_type,
            target_caption=pair.text,
        )

    def _encode_dev(self) -> list[dict[str, Tensor]]:
        """The dev pairs' codes and text, those of one shape together."""
        assert self.codec is not None and self.text is not None
        shapes: dict[tuple[int, ...], dict[str, list[Tensor]]] = {}
        for sample in self.dev_samples:
            source = None if self.kind == "base" else sample.source
            view = View(source, sample.target, sample.edit_mask)
            parts = shapes.setdefault(sample.target.shape, {})
            for name, tensor in encode(collate([view], [sample.instruction]), self.codec, self.text).items():
                parts.setdefault(name, []).append(tensor.cpu())
        return [{name: torch.cat(tensors) for name, tensors in parts.items()} for parts in shapes.values()]


def make_transform(data: Edits, pixels_per_cell: int) -> Transform:
    """Return the transform that ``data`` describes; sides of its crops are multiples of a cell."""
    sizes = bucket_sizes(data.aspect_buckets, data.resolution, pixels_per_cell)
    return Transform(sizes, data.crops, data.flip, data.min_side, data.max_aspect_change)


def open_all(data: Edits, kind: str) -> list[EditRows]:
    """Open every dataset, in their order."""
    return [EditRows(name, data, kind) for name in data.datasets]


def cache_facts(data: Edits, kind: str, codec: Codec, text: TextEncoder, text_learns: bool) -> dict[str, Any]:
    """Return everything that cached codes and texts depend on, by the names that a stale cache is refused with."""
    transform = data.model_dump(include={
        "resolution", "aspect_buckets", "crops", "flip", "min_side", "max_aspect_change", "max_pixels", "train_size",
    })  # fmt: skip
    code = hashlib.sha256()
    for room, names in _SOURCE.items():
        for name in names:
            code.update((Path(editmgt.__file__).parent / room / f"{name}.py").read_bytes())
    return {
        "model.kind": kind,
        "data.datasets": list(data.datasets),
        "codec": _digest_tensors(codec),
        "text encoder": "trains along" if text_learns else _digest_tensors(text),
        "tokenizer": hashlib.sha256(
            repr(([sorted(v.items()) for v in text.vocabularies], text.tokenize([_PROBE]).tolist())).encode()
        ).hexdigest()[:16],
        **{f"data.{name}": value for name, value in transform.items()},
        "transform code": code.hexdigest()[:16],
        **{f"dataset {name}": identity(spec) for name, spec in data.datasets.items()},
    }


def _digest_tensors(module: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
