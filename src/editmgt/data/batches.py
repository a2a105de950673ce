"""Endless batches of edit pairs, as pixels by position, as pixels from a stream, or as codes from a cache.

All three give the samples of a step by its number, so that a resumed run goes on where it stopped; of each global
batch a process takes every ``world_size``-th sample. A row that is bad is stood in for by the next good one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from editmgt.data.bad_rows import BadRow, BadRows
from editmgt.data.cache import TokenCache
from editmgt.data.encoding import collate
from editmgt.data.order import drawn, mixed, shuffled
from editmgt.data.rows import EditRows
from editmgt.data.transform import Pair, Transform, View
from editmgt.errors import UserError

PROBLEM = "problem"  # a batch with this key holds a user's mistake met in a loading process, and nothing else


@dataclass(frozen=True)
class Share:
    """A process's part of every global batch."""

    global_batch: int
    start_step: int
    rank: int
    world_size: int

    def index(self) -> Tensor:
        """Return this process's places in a global batch."""
        return torch.arange(self.rank, self.global_batch, self.world_size)


@dataclass(frozen=True)
class Mixture:
    """How rows are drawn.

    Attributes:
        seed: of the order.
        ratios: of the datasets; see :func:`editmgt.data.order.mixed`.
        rows: for each dataset the rows that are trained on, ascending.
        variants: views of a pair; they are shown in turn, another one every epoch.
    """

    seed: int
    ratios: tuple[float, ...]
    rows: tuple[NDArray[np.int64], ...]
    variants: int

    def draw(self, positions: Tensor) -> list[tuple[int, int, int]]:
        """Return (dataset, place in its ``rows``, variant) at each position of the endless order."""
        found = []
        for dataset, draw in zip(
            *(part.tolist() for part in mixed(self.seed, self.ratios, positions)), strict=True
        ):
            rows = self.rows[dataset]
            places, epochs = shuffled(self.seed + dataset, torch.tensor([draw]), len(rows))
            found.append((dataset, int(places), (int(places) + int(epochs)) % self.variants))
        return found


class PairBatches(IterableDataset[dict[str, Any]]):
    """Batches of pixels (see :func:`editmgt.data.encoding.collate`), decoded as they are needed, on any number of workers.

    Of streams at most one: ``datasets`` gives each worker some of the files, and none where there are fewer.

    Args:
        datasets: read by position, or as streams.
        mixture: what is drawn; a stream takes its ratios and seed alone.
        transform: makes views of pairs.
        downsampling: pixels per code.
        bad: counts and names what cannot be used.
        share: this process's part.
        held_out: digests of stream rows that are not trained on.
    """

    def __init__(
        self,
        datasets: Sequence[EditRows],
        mixture: Mixture,
        transform: Transform,
        downsampling: int,
        bad: BadRows,
        share: Share,
        held_out: frozenset[str] = frozenset(),
    ) -> None:
        self.datasets, self.mixture, self.transform = datasets, mixture, transform
        self.downsampling, self.bad, self.share, self.held_out = downsampling, bad, share, held_out

    def __iter__(self) -> Iterator[dict[str, Any]]:
        try:
            yield from self._batches()
        except UserError as error:  # a worker's exceptions arrive wrapped in its traceback
            yield {PROBLEM: str(error)}

    def _batches(self) -> Iterator[dict[str, Any]]:
        info, share = get_worker_info(), self.share
        workers = info.num_workers if info else 1
        step = share.start_step + (info.id if info else 0)
        index = share.index()
        streamed = self._streamed(step * len(index)) if self.datasets[0].streaming else None
        while True:
            if streamed is None:
                drawn_rows = self.mixture.draw(step * share.global_batch + index)
                samples = [self._good(*place) for place in drawn_rows]
            else:
                samples = [next(streamed) for _ in index]
            views: list[View] = [view for view, _ in samples]
            batch = collate(views, [text for _, text in samples], self.downsampling)
            yield batch | {"index": index, "global_size": torch.tensor(share.global_batch)}
            step += workers

    def _good(self, dataset: int, place: int, variant: int) -> tuple[View, str]:
        rows = self.mixture.rows[dataset]
        for offset in range(len(rows)):
            row = int(rows[(place + offset) % len(rows)])
            try:
                pair = checked_pair(self.datasets[dataset], row, self.transform, self.bad)
            except BadRow:
                continue
            return self.transform(pair, variant), pair.text
        raise UserError(f"data.datasets.{self.datasets[dataset].name} holds no good row.")

    def _streamed(self, position: int) -> Iterator[tuple[View, str]]:
        """This process's samples from ``position`` of its own order on."""
        share, seed, ratios = self.share, self.mixture.seed, self.mixture.ratios
        before = drawn(seed, ratios, position)
        streams = [
            self._good_stream(rows, share.rank, share.world_size, seed + number, before[number])
            for number, rows in enumerate(self.datasets)
        ]
        while True:
            choice, draw = (int(part) for part in mixed(seed, ratios, torch.tensor([position])))
            pair = next(streams[choice])
            yield self.transform(pair, draw % self.transform.variants), pair.text
            position += 1

    def _good_stream(self, rows: EditRows, node: int, nodes: int, seed: int, skip: int) -> Iterator[Pair]:
        waiting = (
            0  # bad rows that the next good one stands in for: as many come out as went in, whatever is bad
        )
        for table in rows.stream(node, nodes, seed):
            name = rows.digest(table)
            if name in self.held_out:
                continue
            if skip:
                skip -= 1
                continue
            waiting += 1
            try:
                pair = rows.decode(table)
                self.transform.check(pair)
            except BadRow as error:
                self.bad.bad(rows.name, name, error)
                continue
            self.bad.good(rows.name, name)
            for _ in range(waiting):
                yield pair
            waiting = 0


class CachedBatches(IterableDataset[dict[str, Any]]):
    """The same batches out of a token cache, encoded."""

    def __init__(self, cache: TokenCache, mixture: Mixture, share: Share) -> None:
        self.cache, self.mixture, self.share = cache, mixture, share
        self._good = [cache.rows(dataset)[1] for dataset in range(len(mixture.rows))]
        self._trained = [
            np.intersect1d(good, rows, assume_unique=True)
            for good, rows in zip(self._good, mixture.rows, strict=True)
        ]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        share = self.share
        index = share.index()
        info = get_worker_info()
        workers = info.num_workers if info else 1
        step = share.start_step + (info.id if info else 0)
        while True:
            places = [self._place(*draw) for draw in self.mixture.draw(step * share.global_batch + index)]
            batch: dict[str, Any] = dict(self.cache.read(places))
            yield batch | {"index": index, "global_size": torch.tensor(share.global_batch)}
            step += workers

    def _place(self, dataset: int, place: int, variant: int) -> tuple[int, int]:
        """Where the sample is among the encoded views: its row's, or the next good row's that is trained on."""
        trained = self._trained[dataset]
        row = trained[np.searchsorted(trained, self.mixture.rows[dataset][place]) % len(trained)]
        return dataset, int(np.searchsorted(self._good[dataset], row)) * self.mixture.variants + variant


def checked_pair(rows: EditRows, row: int, transform: Transform, bad: BadRows) -> Pair:
    """Return row ``row``, decoded and fit to be used; a bad one is counted before ``BadRow`` goes on."""
    try:
        pair = rows.pair(row)
        transform.check(pair)
    except BadRow as error:
        bad.bad(rows.name, row, error)
        raise
    bad.good(rows.name, row)
    return pair
