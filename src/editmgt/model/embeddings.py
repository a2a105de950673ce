"""Numbers, tokens and positions into vectors; and cells back into logits over the codebook.

Shapes: B batch, V vocabulary, H W code grid, N cells, C codes per cell (4 if down-sampled, else 1), D width.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from editmgt.model.layers import MLP, Fold, Pointwise, RMSNorm, Unfold

SINUSOIDS = 256  # channels per encoded number


def sinusoids(values: Tensor, channels: int = SINUSOIDS) -> Tensor:
    """Encode ``values`` [...] as [..., channels] of cosines then sines, in fp32 (Vaswani et al. 2017)."""
    half = channels // 2
    frequencies = torch.exp(
        -math.log(10000) / half * torch.arange(half, dtype=torch.float32, device=values.device)
    )
    angles = values.float().unsqueeze(-1) * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class TimeTextEmbed(nn.Module):
    """The vector every block is modulated by: an MLP of the timestep plus an MLP of the pooled condition."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.timestep_embedder = MLP(SINUSOIDS, width)
        self.text_embedder = MLP(width, width)

    def forward(self, timestep: Tensor, condition: Tensor) -> Tensor:
        """Map ``timestep`` [B, S] (already times 1000) and ``condition`` [B, D] to [B, S, D]."""
        time = self.timestep_embedder(sinusoids(timestep).to(condition.dtype))
        return time + self.text_embedder(condition).unsqueeze(1)


class TokenEmbed(nn.Module):
    """Embedding, RMSNorm, 1x1 convolution.

    All three depend on the token's id alone, as does the norm of the down-sampling that follows. So they run
    once over the vocabulary, which is smaller than the tokens of a batch, and the tokens look their rows up.
    """

    def __init__(self, vocab_size: int, width: int) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(vocab_size, width)
        self.layer_norm = RMSNorm(width)
        self.conv = Pointwise(width, width)

    def forward(self, tokens: Tensor, norm: RMSNorm | None) -> Tensor:
        """Embed ``tokens`` [...] as [..., D], then ``norm`` them if a norm is given."""
        table_VD = self.conv(self.layer_norm(self.embeddings.weight))
        return F.embedding(tokens, table_VD if norm is None else norm(table_VD))


class LatentEmbed(nn.Module):
    """An MLP of four widths, with which a flow's ends have about as many weights as a codebook's tables."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(channels, 4 * width, bias=False)
        self.linear_2 = nn.Linear(4 * width, width, bias=False)

    def forward(self, latents: Tensor, norm: RMSNorm | None) -> Tensor:
        """Embed ``latents`` [..., channels] as [..., D], then ``norm`` them if a norm is given."""
        embedded = self.linear_2(F.silu(self.linear_1(latents.to(self.linear_1.weight.dtype))))
        return embedded if norm is None else norm(embedded)


class DownSample(nn.Module):
    """A 2x2 convolution of stride 2, and the RMSNorm of its input, which the embedding applies."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = RMSNorm(width)
        self.conv = Fold(width)

    def forward(self, x_BNCD: Tensor) -> Tensor:
        """Make one cell of every four normed codes, [B, N, D]."""
        return self.conv(x_BNCD)


class UpSample(nn.Module):
    """RMSNorm, then a 2x2 transposed convolution of stride 2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = RMSNorm(width)
        self.conv = Unfold(width)

    def forward(self, x_BND: Tensor) -> Tensor:
        """Return the four codes of every cell, [B, N, 4, D]."""
        return self.conv(self.norm(x_BND))


class Head(nn.Module):
    """1x1 convolution, RMSNorm, 1x1 convolution to the codebook."""

    def __init__(self, width: int, codebook_size: int) -> None:
        super().__init__()
        self.conv1 = Pointwise(width, width)
        self.layer_norm = RMSNorm(width)
        self.conv2 = Pointwise(width, codebook_size)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., D] to logits [..., codebook_size]."""
        return self.conv2(self.layer_norm(self.conv1(x)))

    def guided(self, x_MD: Tensor, scale: float) -> Tensor:
        """Map unconditional and conditional positions [2M, D] to their guided logits [M, codebook_size].

        The last map is linear without a bias, so guidance before it, on D channels, gives what guidance on logits would.
        """
        hidden = self.layer_norm(self.conv1(x_MD))
        unconditional, conditional = hidden.to(torch.promote_types(hidden.dtype, torch.float32)).chunk(2)
        return self.conv2((unconditional + scale * (conditional - unconditional)).to(hidden.dtype))


class LatentHead(nn.Module):
    """1x1 convolution, RMSNorm, and an MLP of four widths to the channels of a latent."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.conv1 = Pointwise(width, width)
        self.layer_norm = RMSNorm(width)
        self.linear_1 = nn.Linear(width, 4 * width, bias=False)
        self.linear_2 = nn.Linear(4 * width, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., D] to [..., channels]."""
        return self.linear_2(F.silu(self.linear_1(self.layer_norm(self.conv1(x)))))

    def guided(self, x_MD: Tensor, scale: float) -> Tensor:
        """Map unconditional and conditional positions [2M, D] to their guided vectors [M, channels]."""
        unconditional, conditional = self(x_MD).float().chunk(2)
        return unconditional + scale * (conditional - unconditional)


def side_by_side(x_BHW: Tensor, cell: int) -> Tensor:
    """Group what stands on a grid by its ``cell`` x ``cell`` cells: [B, H, W, ...] to [B, N, C, ...], rows first."""
    batch, height, width, *channels = x_BHW.shape
    grouped = x_BHW.reshape(batch, height // cell, cell, width // cell, cell, *channels)
    return grouped.transpose(2, 3).reshape(batch, -1, cell * cell, *channels)


def on_grid(x_BNCD: Tensor, height: int, width: int, cell: int) -> Tensor:
    """Undo :func:`side_by_side`: [B, N, C, D] to [B, H, W, D]."""
    batch, channels = x_BNCD.shape[0], x_BNCD.shape[-1]
    grouped = x_BNCD.reshape(batch, height // cell, width // cell, cell, cell, channels)
    return grouped.transpose(2, 3).reshape(batch, height, width, channels)
