"""Keys and values that an edit keeps from pass to pass, so that a pass computes only the cells it has to.

Shapes: B batch, L tokens of the joint sequence, T text tokens, N cells of the target, R of them that a pass computes,
A attention heads, K channels per head.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class ActiveCells:
    """The cells of the target that a pass computes, as many for each sample: the shorter lists are filled up.

    Attributes:
        index_BR: distinct cells, those that are asked for first.
        asked_BR: False for what fills a list up; it is computed and forgotten, so that a sample does not depend on its batch.
    """

    index_BR: Tensor
    asked_BR: Tensor

    @classmethod
    def of(cls, active_BN: Tensor) -> Self:
        """Make the lists of a mask."""
        longest = int(active_BN.sum(dim=1).max())
        index_BR = active_BN.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :longest]
        return cls(index_BR, active_BN.gather(1, index_BR))

    def repeat(self, times: int) -> Self:
        """The same for a batch of ``times`` as many."""
        return type(self)(self.index_BR.repeat(times, 1), self.asked_BR.repeat(times, 1))

    def pick(self, x_BN: Tensor) -> Tensor:
        """Take the active cells [B,R,...] out of all [B,N,...]."""
        return x_BN[self._rows, self.index_BR]

    def put(self, x_BR: Tensor, into_BN: Tensor) -> None:
        """Write what was computed of the cells that were asked for, in place."""
        asked = self.asked_BR.view(*self.asked_BR.shape, *[1] * (x_BR.dim() - 2))
        into_BN[self._rows, self.index_BR] = torch.where(asked, x_BR, self.pick(into_BN))

    @property
    def _rows(self) -> Tensor:
        return torch.arange(len(self.index_BR), device=self.index_BR.device)[:, None]


class LayerMemory:
    """One layer's keys and values [B,L,A,K], each token's as the last pass that computed it left them."""

    def __init__(self, k_BLAK: Tensor | None = None, v_BLAK: Tensor | None = None) -> None:
        self.k_BLAK, self.v_BLAK = k_BLAK, v_BLAK

    def keep(self, k_BLAK: Tensor, v_BLAK: Tensor) -> None:
        """Keep those of a pass over all tokens."""
        self.k_BLAK, self.v_BLAK = k_BLAK.contiguous(), v_BLAK.contiguous()

    def renew(self, k: Tensor, v: Tensor, text: int, active: ActiveCells) -> tuple[Tensor, Tensor]:
        """Renew those of the text and of the active cells, in place, and return those of all tokens."""
        assert self.k_BLAK is not None and self.v_BLAK is not None  # the first pass is over all tokens
        for kept_BLAK, new in ((self.k_BLAK, k), (self.v_BLAK, v)):
            kept_BLAK[:, :text] = new[:, :text]
            active.put(new[:, text:], kept_BLAK[:, text:])
        return self.k_BLAK, self.v_BLAK


class Memory:
    """Every layer's memory, by the layer's number."""

    def __init__(self) -> None:
        self.layers: dict[int, LayerMemory] = {}

    def __getitem__(self, layer: int) -> LayerMemory:
        return self.layers.setdefault(layer, LayerMemory())

    def of(self, rows: list[int]) -> "Memory":
        """A copy for some samples, in their order."""
        part = Memory()
        for layer, kept in self.layers.items():
            assert kept.k_BLAK is not None and kept.v_BLAK is not None
            part.layers[layer] = LayerMemory(kept.k_BLAK[rows], kept.v_BLAK[rows])
        return part

    def of_last(self, batch: int) -> "Memory":
        """The memory of the last ``batch`` samples; what is renewed there is renewed here."""
        part = Memory()
        for layer, kept in self.layers.items():
            assert kept.k_BLAK is not None and kept.v_BLAK is not None
            part.layers[layer] = LayerMemory(kept.k_BLAK[-batch:], kept.v_BLAK[-batch:])
        return part
