"""Which row comes when: pure functions of (seed, position), so that a resumed run goes on where it stopped."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from editmgt.errors import UserError

if TYPE_CHECKING:
    from lightning import Trainer

BLOCK = 1000  # a mixture holds its ratios exactly in every so many samples


@dataclass(frozen=True)
class Share:
    """A process's part of every global batch: every ``world_size``-th sample."""

    global_batch: int
    start_step: int = 0
    rank: int = 0
    world_size: int = 1

    @classmethod
    def of(cls, trainer: "Trainer | None", batch_size: int, per_row: int = 1) -> "Share":
        """Return this process's, from the step the trainer has reached; a ``UserError`` where batches cannot be shared out evenly."""
        assert trainer is not None
        if batch_size % (per_row * trainer.world_size):
            twice = "twice " if per_row == 2 else ""
            raise UserError(
                f"data.batch_size={batch_size} must be a multiple of {twice}the {trainer.world_size} processes."
            )
        step = trainer.global_step * trainer.accumulate_grad_batches
        return cls(batch_size // per_row, step, trainer.global_rank, trainer.world_size)

    def positions(self, step: int = 0) -> range:
        """Return this process's positions in the endless order at a step; at the first one they are its places in a batch."""
        return range(step * self.global_batch + self.rank, (step + 1) * self.global_batch, self.world_size)

    def placed(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return a batch with each sample's place in the global one, ``index``, and its ``global_size``."""
        return batch | {
            "index": torch.arange(self.rank, self.global_batch, self.world_size),
            "global_size": torch.tensor(self.global_batch),
        }


def shuffled(seed: int, position: int, size: int) -> tuple[int, int]:
    """Return the row in [0, size) at a position of an endless shuffle, and its epoch, in which each row comes once."""
    epoch, place = divmod(position, size)
    return int(_permutation(seed, epoch, size)[place]), epoch


def mixed(seed: int, ratios: Sequence[float], position: int) -> tuple[int, int]:
    """Return which dataset a position draws from, and how many draws of that dataset came before it."""
    shares = counts(ratios)
    block, place = divmod(position, BLOCK)
    choice, before = _block(seed, block, shares)
    dataset = int(choice[place])
    return dataset, block * shares[dataset] + int(before[place])


def drawn(seed: int, ratios: Sequence[float], position: int) -> list[int]:
    """Return how often each dataset is drawn before ``position``."""
    shares = counts(ratios)
    block, place = divmod(position, BLOCK)
    choice, _ = _block(seed, block, shares)
    return [block * share + int((choice[:place] == dataset).sum()) for dataset, share in enumerate(shares)]


def counts(ratios: Sequence[float]) -> tuple[int, ...]:
    """Return how many of every ``BLOCK`` samples come from each dataset: ratios rounded by largest remainder."""
    exact = [ratio * BLOCK / sum(ratios) for ratio in ratios]
    whole = [int(share) for share in exact]
    largest = sorted(range(len(exact)), key=lambda i: (whole[i] - exact[i], i))
    for i in largest[: BLOCK - sum(whole)]:
        whole[i] += 1
    return tuple(whole)


@lru_cache(maxsize=16)
def _permutation(seed: int, epoch: int, size: int) -> Tensor:
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))


@lru_cache(maxsize=16)
def _block(seed: int, block: int, shares: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    ordered = torch.repeat_interleave(torch.arange(len(shares)), torch.tensor(shares))
    choice = ordered[_permutation(seed, block, BLOCK)]
    before = torch.zeros(BLOCK, dtype=torch.long)
    for dataset in range(len(shares)):
        mine = choice == dataset
        before[mine] = torch.arange(int(mine.sum()))
    return choice, before
