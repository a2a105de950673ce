"""Aspect-ratio buckets: pictures of nearly one shape are cropped to it, and a batch holds one shape.

Pure functions: a picture's size gives its bucket, (seed, step) gives a step's.
"""

from collections.abc import Iterator, Sequence
from itertools import count
from math import log

import torch

from editmgt.data.order import BLOCK
from editmgt.editing.images import working_size

Size = tuple[int, int]  # width, height


def bucket_sizes(aspects: Sequence[float] | None, resolution: int, multiple: int) -> tuple[Size, ...]:
    """Return the sizes that pictures are cropped to, each once: those that the editor would edit such shapes at.

    ``aspects`` are ratios of width to height (None: the square alone); areas are about ``resolution``^2, sides multiples of
    ``multiple``.
    """
    if aspects is None:
        return ((resolution, resolution),)
    shapes = ((round(1000 * aspect), 1000) for aspect in aspects)
    return tuple(dict.fromkeys(working_size(shape, resolution, multiple) for shape in shapes))


def nearest_bucket(size: Size, sizes: Sequence[Size]) -> int:
    """Return which of ``sizes`` has the shape nearest to ``size``, by the logarithm of the aspect ratio."""
    wanted = log(size[0] / size[1])
    return min(range(len(sizes)), key=lambda i: abs(log(sizes[i][0] / sizes[i][1]) - wanted))


def bucket_steps(seed: int, shares: Sequence[float], start: int, stride: int) -> Iterator[tuple[int, int]]:
    """Yield for steps ``start``, ``start`` + ``stride``, ... which bucket each draws, and how many earlier steps drew it.

    Drawn at random with probabilities in proportion to ``shares``, so that even the rarest shape gets its turns.
    """
    ends = torch.tensor(shares, dtype=torch.float64).cumsum(0)
    drawn = [0] * len(shares)
    chosen: list[int] = []
    for step in count():
        block, place = divmod(step, BLOCK)
        if place == 0:
            generator = torch.Generator().manual_seed(seed * 1_000_003 + block)
            draws = torch.rand(BLOCK, dtype=torch.float64, generator=generator) * ends[-1]
            chosen = torch.bucketize(draws, ends[:-1], right=True).tolist()
        if step >= start and (step - start) % stride == 0:
            yield chosen[place], drawn[chosen[place]]
        drawn[chosen[place]] += 1
