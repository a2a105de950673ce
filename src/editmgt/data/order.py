"""Which row comes when: pure functions of (seed, position), so that a resumed run goes on where it stopped."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

BLOCK = 1000  # a mixture holds its ratios exactly in every so many samples


def shuffled(seed: int, positions: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the row in [0, size) at each position of an endless shuffle, and its epoch; both int64 like ``positions``.

    Every epoch is a new permutation: each row comes once in it.
    """
    epochs = positions // size
    rows = [
        _permutation(seed, int(epoch), size)[int(position) % size]
        for epoch, position in zip(epochs, positions, strict=True)
    ]
    return torch.stack(rows), epochs


def mixed(seed: int, ratios: Sequence[float], positions: Tensor) -> tuple[Tensor, Tensor]:
    """Return which dataset each position draws from, and how many draws of that dataset came before it."""
    shares = counts(ratios)
    choices, draws = [], []
    for position in positions.tolist():
        block, place = divmod(position, BLOCK)
        choice, before = _block(seed, block, shares)
        choices.append(choice[place])
        draws.append(block * shares[int(choice[place])] + before[place])
    return torch.stack(choices), torch.stack(draws)


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
