"""Rotary positions, and the norm of queries and keys that goes with them.

Shapes: B batch, L tokens, N cells, P = 2 for queries and keys, A attention heads, K channels per head.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from editmgt.model.layers import EPS

THETA = 10000.0


def rotations(height: int, width: int, axes: tuple[int, int, int], device: torch.device) -> Tensor:
    """Return unit complex numbers [N, K/2]: the turns of each cell's channel pairs (Su et al. 2021).

    ``axes`` are the channels that follow each coordinate of (0, row, column); cells run row by row.
    """
    exact = torch.float32 if device.type == "mps" else torch.float64
    rows = torch.arange(height, dtype=exact, device=device).repeat_interleave(width)
    columns = torch.arange(width, dtype=exact, device=device).repeat(height)
    angles = []
    for position, channels in zip((rows * 0, rows, columns), axes, strict=True):
        exponents = torch.arange(0, channels, 2, dtype=exact, device=device) / channels
        angles.append(torch.outer(position, THETA**-exponents))
    angles_NK = torch.cat(angles, dim=-1)
    return torch.complex(angles_NK.cos().float(), angles_NK.sin().float())


def normalise_and_rotate(x_BLPAK: Tensor, weight_PK: Tensor, rotation_LK: Tensor | None) -> Tensor:
    """RMS-norm queries and keys over their channels, then turn their channel pairs (``None``: no turning).

    ``rotation_LK`` may have a batch dimension before it.
    """
    return _NormaliseAndRotate.apply(x_BLPAK, weight_PK, rotation_LK)


class _NormaliseAndRotate(torch.autograd.Function):
    """The backward pass is written out: autograd's own takes twice as long and keeps fp32 copies."""

    @staticmethod
    def forward(ctx: Any, x_BLPAK: Tensor, weight_PK: Tensor, rotation_LK: Tensor | None) -> Tensor:
        normed = _wide(x_BLPAK)
        mean_square = torch.linalg.vector_norm(normed, dim=-1, keepdim=True).square_().div_(normed.shape[-1])
        scale_BLPA1 = mean_square.add_(EPS).rsqrt_()
        ctx.save_for_backward(x_BLPAK, weight_PK, rotation_LK, scale_BLPA1)
        out = normed.mul_(scale_BLPA1).mul_(weight_PK.unsqueeze(1))
        return _turn(out, rotation_LK).to(x_BLPAK.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BLPAK: Tensor) -> tuple[Tensor, Tensor, None]:
        x_BLPAK, weight_PK, rotation_LK, scale_BLPA1 = ctx.saved_tensors
        normed = _wide(x_BLPAK).mul_(scale_BLPA1)
        grad = _turn(_wide(grad_BLPAK), None if rotation_LK is None else rotation_LK.conj())
        product = normed * grad
        grad_weight = product.sum((0, 1, 3)).to(weight_PK.dtype)
        weight = weight_PK.unsqueeze(1)
        mean = product.mul_(weight).mean(-1, keepdim=True)
        grad_x = grad.mul_(weight).addcmul_(normed, mean, value=-1).mul_(scale_BLPA1)
        return grad_x.to(x_BLPAK.dtype), grad_weight, None


def _wide(x: Tensor) -> Tensor:
    """Copy to fp32 (fp64 stays)."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    return x.to(dtype, copy=True, memory_format=torch.contiguous_format)


def _turn(x_BLPAK: Tensor, rotation_LK: Tensor | None) -> Tensor:
    """Multiply channel pairs, read as complex numbers, by ``rotation_LK``, in place."""
    if rotation_LK is not None:
        torch.view_as_complex(x_BLPAK.unflatten(-1, (-1, 2))).mul_(rotation_LK[..., None, None, :])
    return x_BLPAK
