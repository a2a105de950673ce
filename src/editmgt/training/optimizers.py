"""The optimiser that a configuration names."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from editmgt.config.targets import OPTIMIZERS, class_and_arguments
from editmgt.training.named import argument_problems

MakeOptimizer = Callable[[Iterable[dict[str, Any]]], Optimizer]

_SHARED = ("lr", "betas", "eps", "weight_decay")  # foreach and the like are PyTorch's own


def optimizer_maker(node: dict[str, Any], eight_bit: bool) -> MakeOptimizer:
    """Return what makes the optimiser of ``model.optimizer``, with 8-bit states where they are asked for."""
    optimizer, arguments = class_and_arguments(node, OPTIMIZERS)
    if not eight_bit:
        return partial(optimizer, **arguments)
    from bitsandbytes.optim import AdamW8bit  # optional: `config.problems` says so when it is not there

    return partial(AdamW8bit, **{name: value for name, value in arguments.items() if name in _SHARED})


def optimizer_problems(node: dict[str, Any]) -> list[str]:
    """Return a line for every argument of ``model.optimizer`` that its class does not have or refuses."""
    optimizer, arguments = class_and_arguments(node, OPTIMIZERS)

    def step(**arguments: Any) -> None:
        """One step on two small weights: some values are refused there, and not before."""
        weights = [nn.Parameter(torch.zeros(shape)) for shape in ((2, 2), (2,))]
        for weight in weights:
            weight.grad = torch.ones_like(weight)
        there = {name: value for name, value in arguments.items() if name != "capturable"}  # refused on a CPU
        optimizer([{"params": [weight]} for weight in weights], **there).step()

    return argument_problems("model.optimizer", optimizer, arguments, step)
