"""The ``qformer`` connector: learned latents that read text states, aware of the timestep (Perceiver; ELLA).

Shapes: B batch, T text states, M latents, D width.
"""

import math
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from editmgt.model.layers import EPS

LAYERS, HEADS = 3, 8  # as published


def time_sinusoids(timestep_B: Tensor, channels: int) -> Tensor:
    """Encode a timestep as sines then cosines; its frequencies end at 1/10000 itself, unlike the trunk's."""
    half = channels // 2
    ramp = torch.arange(half, dtype=torch.float32, device=timestep_B.device) / (half - 1)
    angles = timestep_B.float()[:, None] * torch.exp(-math.log(10000) * ramp)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class TimeNorm(nn.Module):
    """Layer norm, shifted and scaled by the timestep."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 2 * width)

    def forward(self, x: Tensor, time_B1D: Tensor) -> Tensor:
        """Norm ``x`` [B, *, D]."""
        shift, scale = self.linear(F.silu(time_B1D)).chunk(2, dim=-1)
        return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:], eps=EPS), 1 + scale)


class SquaredReLU(nn.Module):
    """The square of the positive part."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.relu(x).square()


class PerceiverBlock(nn.Module):
    """Latents attend to themselves and to the states, then pass an MLP."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, HEADS, batch_first=True)
        self.mlp = nn.Sequential(
            OrderedDict(
                c_fc=nn.Linear(width, 4 * width), sq_relu=SquaredReLU(), c_proj=nn.Linear(4 * width, width)
            )
        )
        self.ln_1 = TimeNorm(width)
        self.ln_2 = TimeNorm(width)
        self.ln_ff = TimeNorm(width)

    def forward(self, states_BTD: Tensor, latents_BMD: Tensor, time_B1D: Tensor) -> Tensor:
        """Return the updated latents."""
        query = self.ln_1(latents_BMD, time_B1D)
        keys = torch.cat([query, self.ln_2(states_BTD, time_B1D)], dim=1)
        latents_BMD = latents_BMD + self.attn(query, keys, keys, need_weights=False)[0]
        return latents_BMD + self.mlp(self.ln_ff(latents_BMD, time_B1D))


class Perceiver(nn.Module):
    """A fixed number of latents that summarise any number of text states."""

    def __init__(self, text_width: int, width: int, latents: int) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.empty(latents, width))
        self.time_aware_linear = nn.Linear(width, width)
        self.proj_in = nn.Linear(text_width, width)
        self.perceiver_blocks = nn.ModuleList(PerceiverBlock(width) for _ in range(LAYERS))

    def forward(self, states: Tensor, timestep_B: Tensor) -> Tensor:
        """Map ``states`` [B, T, text width] at ``timestep_B`` (already times 1000) to latents [B, M, D]."""
        time_B1D = time_sinusoids(timestep_B, self.latents.shape[-1]).to(self.latents.dtype).unsqueeze(1)
        latents_BMD = self.latents + self.time_aware_linear(F.silu(time_B1D))
        states_BTD = self.proj_in(states)
        for block in self.perceiver_blocks:
            latents_BMD = block(states_BTD, latents_BMD, time_B1D)
        return latents_BMD
