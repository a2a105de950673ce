"""The optimiser that a configuration names."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from hydra.utils import instantiate
from torch.optim import Optimizer

MakeOptimizer = Callable[[Iterable[dict[str, Any]]], Optimizer]

_SHARED = ("lr", "betas", "eps", "weight_decay")  # foreach and the like are PyTorch's own


def optimizer_maker(model: dict[str, Any]) -> MakeOptimizer:
    """Return what makes the optimiser of ``model.optimizer``, with 8-bit states where they are asked for."""
    make = instantiate(model["optimizer"])
    if not model["eight_bit_optimizer"]:
        return make
    from bitsandbytes.optim import AdamW8bit  # optional: `config.problems` says so when it is not there

    return partial(AdamW8bit, **{name: value for name, value in make.keywords.items() if name in _SHARED})
