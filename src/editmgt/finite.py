"""Checks that tensors and numbers are finite: NaN and infinities would make pictures and scores that look like results."""

from collections.abc import Mapping

import torch
from torch import Tensor

from editmgt.errors import UserError


def all_finite(tensor: Tensor) -> Tensor:
    """Return a bool on the tensor's device, False where a value is NaN or infinite; one reduction, without a copy."""
    if not tensor.is_floating_point() or not tensor.numel():
        return torch.ones((), dtype=torch.bool, device=tensor.device)
    if tensor.itemsize == 1:
        tensor = tensor.half()  # which holds all that eight bits can, and can be reduced
    return torch.stack(tensor.detach().aminmax()).isfinite().all()


def check_weights(where: object, weights: Mapping[str, Tensor]) -> None:
    """Raise a ``UserError`` that names the first of the weights, read from ``where``, that is not finite."""
    broken = [name for name, tensor in weights.items() if not all_finite(tensor)]
    if broken:
        others = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise UserError(
            f"{where} holds weights that are not finite (NaN or infinite), in {broken[0]}{others}: a training that "
            "diverged leaves such; use an earlier checkpoint."
        )
