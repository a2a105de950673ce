"""Small layers with the published weights' names and shapes, all working on channels-last tensors."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-6


class RMSNorm(nn.Module):
    """Root-mean-square norm of the last dimension: in fp32 or wider, returned in the input's type."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x`` [..., width]."""
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), EPS)


class MLP(nn.Module):
    """Two linears with SiLU between, under diffusers' names."""

    def __init__(self, inputs: int, width: int, bias: bool = True) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(inputs, width, bias)
        self.linear_2 = nn.Linear(width, width, bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., inputs] to [..., width]."""
        return self.linear_2(F.silu(self.linear_1(x)))


class Pointwise(nn.Module):
    """A 1x1 convolution without bias, as the linear map it is."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., inputs] to [..., outputs]."""
        return F.linear(x, self.weight.flatten(1))


class Fold(nn.Module):
    """A 2x2 convolution of stride 2 without bias, on cells whose four codes already lie side by side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, width, 2, 2))

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., 4 codes (row-major), width] to [..., width]."""
        return F.linear(x.flatten(-2), self.weight.permute(0, 2, 3, 1).flatten(1))


class Unfold(nn.Module):
    """A 2x2 transposed convolution of stride 2 without bias: every cell becomes four codes, side by side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(
            torch.empty(width, width, 2, 2)
        )  # inputs first, as transposed convolutions have it

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., width] to [..., 4 codes (row-major), width]."""
        return F.linear(x, self.weight.permute(2, 3, 1, 0).flatten(0, 2)).unflatten(-1, (4, -1))
