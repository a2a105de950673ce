"""Endless batches of edit pairs, as pixels by position, as pixels from a stream, or as codes from a cache.

Of pairs by position and of codes a batch holds one shape (:mod:`editmgt.data.buckets`). All three give the samples of a step by its
number, their names as ``ids``, so that a resumed run goes on where it stopped; of each global
batch a process takes every ``world_size``-th sample. A row that is bad is stood in for by the next good one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from editmgt.data.bad_rows import BadRow, BadRows
from editmgt.data.buckets import bucket_steps
from editmgt.data.cache import TokenCache
from editmgt.data.encoding import collate
from editmgt.data.order import BLOCK, Share, drawn, mixed, shuffled
from editmgt.data.rows import EditRows
from editmgt.data.transform import Pair, Transform, View
from editmgt.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

PROBLEM = "problem"  # a batch with this key holds a user's mistake met in a loading process, and nothing else


@dataclass(frozen=True)
class Mixture:
    """How rows are drawn."""

    seed: int
    ratios: tuple[float, ...]  # of the datasets, see :func:`editmgt.data.order.mixed`
    rows: tuple[NDArray[np.int64], ...]  # of each dataset those that are trained on, ascending
    variants: int  # views of a pair, shown in turn: another one every epoch
    bucket: int = 0  # the shape of these rows' crops, see :mod:`editmgt.data.buckets`
    share: float = 1.0  # of all steps those that draw these rows, in proportion to the other buckets' shares

    def draw(self, positions: Iterable[int]) -> list[tuple[int, int, int]]:
        """Return (dataset, place in its ``rows``, variant) at each position of the endless order."""
        found = []
        for position in positions:
            dataset, draw = mixed(self.seed, self.ratios, position)
            place, epoch = shuffled(self.seed + dataset, draw, len(self.rows[dataset]))
            found.append((dataset, place, (place + epoch) % self.variants))
        return found


def bucketed(mixture: Mixture, buckets: Sequence[NDArray[np.int64]]) -> list[Mixture]:
    """Split a mixture by shape: a mixture for each bucket that has rows, every row as likely as before.

    ``buckets`` says of every row of each dataset which one it is in.
    """
    found = []
    for bucket in range(1 + max(int(of_rows.max()) for of_rows in buckets)):
        rows = tuple(
            chosen[of_rows[chosen] == bucket] for chosen, of_rows in zip(mixture.rows, buckets, strict=True)
        )
        weights = [
            ratio * len(mine) / len(chosen) / sum(mixture.ratios)
            for ratio, mine, chosen in zip(mixture.ratios, rows, mixture.rows, strict=True)
        ]
        if share := sum(weights):
            # a mixture counts in thousandths: what is rarer is drawn a little too often, not never
            ratios = tuple(max(weight, share / BLOCK) if weight else 0.0 for weight in weights)
            found.append(replace(mixture, ratios=ratios, rows=rows, bucket=bucket, share=share))
    return found


def with_a_good_one(
    rows: NDArray[np.int64], good: NDArray[np.int64], buckets: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return those of ``rows`` whose shape a good one has, too: of a cache's codes no other shape's could stand in for them."""
    return rows[np.isin(buckets[rows], buckets[np.intersect1d(rows, good)])]


def no_good_row(dataset: str) -> UserError:
    """What a user is told of a dataset whose every row is bad."""
    return UserError(f"data.datasets.{dataset} holds no good row.")


def _draws(mixtures: Sequence[Mixture], share: Share) -> Iterator[tuple[int, list[tuple[int, int, int]]]]:
    """Yield of each step its bucket and this process's draws, from ``share.start_step`` on; a worker's, every so many."""
    info = get_worker_info()
    start, stride = share.start_step + (info.id if info else 0), info.num_workers if info else 1
    shares = [mixture.share for mixture in mixtures]
    for chosen, before in bucket_steps(mixtures[0].seed, shares, start, stride):
        mixture = mixtures[chosen]
        yield mixture.bucket, mixture.draw(share.positions(before))


class _Sample(NamedTuple):
    view: View
    text: str
    name: str


class PairBatches(IterableDataset[dict[str, Any]]):
    """Batches of pixels (see :func:`editmgt.data.encoding.collate`), decoded as they are needed, on any number of workers.

    Of streams at most one: ``datasets`` gives each worker some of the files, and none where there are fewer. A stream takes the
    first mixture's ratios and seed alone, and leaves out the rows whose digests are ``held_out``.
    """

    def __init__(
        self,
        datasets: Sequence[EditRows],
        mixtures: Sequence[Mixture],
        transform: Transform,
        bad: BadRows,
        share: Share,
        held_out: frozenset[str] = frozenset(),
    ) -> None:
        self.datasets, self.mixtures, self.transform = datasets, mixtures, transform
        self.bad, self.share, self.held_out = bad, share, held_out

    def __iter__(self) -> Iterator[dict[str, Any]]:
        try:
            yield from self._batches()
        except UserError as error:  # a worker's exceptions arrive wrapped in its traceback
            yield {PROBLEM: str(error)}

    def _batches(self) -> Iterator[dict[str, Any]]:
        for samples in self._streamed_steps() if self.datasets[0].streaming else self._drawn_steps():
            views, texts, names = zip(*samples, strict=True)
            yield self.share.placed(collate(views, texts) | {"ids": list(names)})

    def _drawn_steps(self) -> Iterator[list[_Sample]]:
        rows = {mixture.bucket: mixture.rows for mixture in self.mixtures}
        # where all rows of a shape are bad, one of another is cropped to it
        every = [np.concatenate(of_buckets) for of_buckets in zip(*rows.values(), strict=True)]
        for bucket, draws in _draws(self.mixtures, self.share):
            yield [self._good(bucket, (rows[bucket][draw[0]], every[draw[0]]), *draw) for draw in draws]

    def _streamed_steps(self) -> Iterator[list[_Sample]]:
        size = len(self.share.positions())
        streamed = self._streamed(self.share.start_step * size)
        while True:
            yield list(islice(streamed, size))

    def _good(
        self, bucket: int, rows: Sequence[NDArray[np.int64]], dataset: int, place: int, variant: int
    ) -> _Sample:
        for row in (int(some[(place + i) % len(some)]) for some in rows for i in range(len(some))):
            try:
                table = self.datasets[dataset].dataset[row]
                pair = checked(self.datasets[dataset], row, table, self.transform, self.bad)
            except BadRow:
                continue
            name = f"{self.datasets[dataset].name}-{row}"
            return _Sample(self.transform(pair, variant, bucket), pair.text, name)
        raise no_good_row(self.datasets[dataset].name)

    def _streamed(self, position: int) -> Iterator[_Sample]:
        """This process's samples from ``position`` of its own order on."""
        share, seed, ratios = self.share, self.mixtures[0].seed, self.mixtures[0].ratios
        before = drawn(seed, ratios, position)
        streams = [
            self._good_stream(rows, share.rank, share.world_size, seed + number, before[number])
            for number, rows in enumerate(self.datasets)
        ]
        while True:
            choice, draw = mixed(seed, ratios, position)
            pair, digest = next(streams[choice])
            view = self.transform(pair, draw % self.transform.variants)
            yield _Sample(view, pair.text, f"{self.datasets[choice].name}-{digest}")
            position += 1

    def _good_stream(
        self, rows: EditRows, node: int, nodes: int, seed: int, skip: int
    ) -> Iterator[tuple[Pair, str]]:
        """Pairs, and the digests that name them."""
        # bad rows that the next good one stands in for: as many come out as went in, whatever is bad
        waiting = 0
        for number in count():
            any_good = False
            for table in rows.epoch(number, node, nodes, seed):
                name = rows.digest(table)
                if name in self.held_out:
                    continue
                if skip:
                    skip, any_good = skip - 1, True
                    continue
                waiting += 1
                try:
                    pair = checked(rows, name, table, self.transform, self.bad)
                except BadRow:
                    continue
                for _ in range(waiting):
                    yield pair, name
                waiting, any_good = 0, True
            if not any_good:
                raise UserError(
                    f"data.datasets.{rows.name} has no row to learn from for process {node + 1} of {nodes}: there are none, or "
                    "all are bad or kept to judge by (data.dev_size)."
                )


class CachedBatches(IterableDataset[dict[str, Any]]):
    """The same batches out of a token cache, encoded."""

    def __init__(self, cache: TokenCache, mixtures: Sequence[Mixture], share: Share) -> None:
        self.cache, self.mixtures, self.share = cache, mixtures, share
        self._good = [cache.good_rows(dataset) for dataset in range(len(mixtures[0].rows))]
        self._trained = {
            mixture.bucket: [
                np.intersect1d(good, rows, assume_unique=True)
                for good, rows in zip(self._good, mixture.rows, strict=True)
            ]
            for mixture in mixtures
        }

    def __iter__(self) -> Iterator[dict[str, Any]]:
        names = self.cache.index["datasets"]
        rows = {mixture.bucket: mixture.rows for mixture in self.mixtures}
        for bucket, draws in _draws(self.mixtures, self.share):
            chosen = [
                (dataset, self._row(self._trained[bucket][dataset], rows[bucket][dataset][place]))
                for dataset, place, _ in draws
            ]
            places = [
                (dataset, self._view(dataset, row, variant))
                for (dataset, row), (*_, variant) in zip(chosen, draws, strict=True)
            ]
            ids = [f"{names[dataset]}-{row}" for dataset, row in chosen]
            yield self.share.placed(self.cache.read(places) | {"ids": ids})

    def _row(self, trained: NDArray[np.int64], row: int) -> int:
        """The row, or the next good one that is trained on."""
        return int(trained[np.searchsorted(trained, row) % len(trained)])

    def _view(self, dataset: int, row: int, variant: int) -> int:
        """Where a row's variant is among the encoded views."""
        return int(np.searchsorted(self._good[dataset], row)) * self.mixtures[0].variants + variant


def checked(rows: EditRows, name: int | str, row: "pa.Table", transform: Transform, bad: BadRows) -> Pair:
    """Return a row, decoded and fit to be used; a bad one is counted, by its ``name``, before ``BadRow`` goes on."""
    try:
        pair = rows.decode(row)
        transform.check(pair)
    except BadRow as error:
        bad.bad(rows.name, name, error)
        raise
    bad.good(rows.name, name)
    return pair
