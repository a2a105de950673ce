"""The two kinds of block: separate weights for text and image, then shared ones (Esser et al. 2024; Flux).

Shapes: B batch, S image streams (target, then reference when there is one), N cells, T text tokens, D width,
L = T + S * N tokens of the joint sequence, in the order text, target, reference. A pass over active cells alone has one
image stream, and N is their number.
"""

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from editmgt.model.attention import ReferenceBias, attend, text_to_target
from editmgt.model.layers import EPS, RMSNorm
from editmgt.model.memory import ActiveCells, LayerMemory
from editmgt.model.rotary import normalise_and_rotate


@dataclass(frozen=True)
class Joint:
    """What every block of one forward pass shares; ``memory`` alone is a layer's own."""

    text: int  # T
    target: int  # N
    cells: int  # of the target, computed or remembered
    image_rotations: Tensor  # of the image streams' cells, [S * N, K / 2] or [B, N, K / 2]
    rotations: Tensor  # of the whole joint sequence, [L, K / 2] or [B, L, K / 2]; the text's are ones
    bias: ReferenceBias
    active: ActiveCells | None = None
    memory: LayerMemory | None = None
    apart: bool = False  # whether the reference attends to itself alone

    def mix(self, q_BLAK: Tensor, k_BLAK: Tensor, v_BLAK: Tensor) -> Tensor:
        """Attend from all rows that this pass computes."""
        others = self.text + self.target
        if not self.apart or q_BLAK.shape[1] == others:
            return attend(q_BLAK, k_BLAK, v_BLAK, self.bias, slice(q_BLAK.shape[1]))
        q, k, v = (x[:, others:] for x in (q_BLAK, k_BLAK, v_BLAK))
        reference = attend(q, k, v, ReferenceBias(), slice(q.shape[1]))
        mixed = attend(q_BLAK[:, :others], k_BLAK, v_BLAK, self.bias, slice(others))
        return torch.cat([mixed, reference], dim=1)

    def remember(self, k_BLAK: Tensor, v_BLAK: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values of all tokens: those that this pass computed, and the others from memory."""
        if self.memory is not None and self.active is not None:
            return self.memory.renew(k_BLAK, v_BLAK, self.text, self.active)
        if self.memory is not None:
            self.memory.keep(k_BLAK, v_BLAK)
        return k_BLAK, v_BLAK


class Modulation(nn.Module):
    """AdaLN-Zero (Peebles & Xie 2022): the condition's shifts, scales and gates, all zero at first."""

    def __init__(self, width: int, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.linear = nn.Linear(width, parts * width)

    def forward(self, condition_BSD: Tensor) -> tuple[Tensor, ...]:
        """Return ``parts`` tensors [B, S, D]: shift, scale, gate of attention, then of the feed-forward."""
        return self.linear(F.silu(condition_BSD)).chunk(self.parts, dim=-1)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Layer-norm ``x`` without weights of its own, then scale and shift it."""
    return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:], eps=EPS), 1 + scale)


def project(
    x: Tensor,
    linears: tuple[nn.Linear, nn.Linear, nn.Linear],
    norms: tuple[RMSNorm, RMSNorm],
    rotations: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Make queries and keys [B, L, 2, A, K], normed and rotated, and values [B, L, A, K] of ``x`` [B, L, D].

    One product serves all three, unless an adapter wraps one of them.
    """
    if all(type(linear) is nn.Linear for linear in linears):
        weight = torch.cat([linear.weight for linear in linears])
        qkv = F.linear(x, weight, torch.cat([linear.bias for linear in linears]))
    else:
        qkv = torch.cat([linear(x) for linear in linears], dim=-1)
    norm_PK = torch.stack([norm.weight for norm in norms])
    qk, v = qkv.unflatten(-1, (3, -1, norm_PK.shape[-1])).split([2, 1], dim=2)
    return normalise_and_rotate(qk, norm_PK, rotations), v.squeeze(2)


class FeedForward(nn.Module):
    """Linear, GELU, linear, under diffusers' names."""

    def __init__(self, width: int) -> None:
        super().__init__()
        first = nn.ModuleDict({"proj": nn.Linear(width, 4 * width)})
        self.net = nn.ModuleList([first, nn.Identity(), nn.Linear(4 * width, width)])

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., D] to [..., D]."""
        first, _, last = self.net
        return last(F.gelu(cast(nn.ModuleDict, first)["proj"](x), approximate="tanh"))


class SingleAttention(nn.Module):
    """Projections of the shared-weight attention; its output projection is the block's."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        self.norm_q, self.norm_k = (RMSNorm(width // heads) for _ in range(2))

    def project(self, x: Tensor, rotations: Tensor) -> tuple[Tensor, Tensor]:
        """Return queries and keys, and values, as :func:`project` does."""
        return project(x, (self.to_q, self.to_k, self.to_v), (self.norm_q, self.norm_k), rotations)


class DoubleAttention(SingleAttention):
    """The image streams' projections as above, the text's own beside them, and both output projections."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        self.add_q_proj, self.add_k_proj, self.add_v_proj = (nn.Linear(width, width) for _ in range(3))
        self.norm_added_q, self.norm_added_k = (RMSNorm(width // heads) for _ in range(2))
        self.to_out = nn.ModuleList([nn.Linear(width, width)])
        self.to_add_out = nn.Linear(width, width)

    def project_text(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the text's queries and keys, and values; text sits at position 0 and is not rotated."""
        linears = (self.add_q_proj, self.add_k_proj, self.add_v_proj)
        return project(x, linears, (self.norm_added_q, self.norm_added_k), None)


class DoubleBlock(nn.Module):
    """Text and image streams with weights of their own, attending to each other."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = Modulation(width, 6)
        self.norm1_context = Modulation(width, 6)
        self.attn = DoubleAttention(width, heads)
        self.ff = FeedForward(width)
        self.ff_context = FeedForward(width)

    def forward(
        self,
        image_BSND: Tensor,
        text_BTD: Tensor,
        condition_BSD: Tensor,
        joint: Joint,
        want_map: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return image streams, text and, when wanted, the text-to-target map [B, T, N]."""
        shift, scale, gate, shift_ff, scale_ff, gate_ff = (x.unsqueeze(2) for x in self.norm1(condition_BSD))
        text_mod = self.norm1_context(condition_BSD[:, :1])  # the text follows the target's timestep
        text_shift, text_scale, text_gate, text_shift_ff, text_scale_ff, text_gate_ff = text_mod

        normed_BLD = modulate(image_BSND, shift, scale).flatten(1, 2)
        image_qk, image_v = self.attn.project(normed_BLD, joint.image_rotations)
        text_qk, text_v = self.attn.project_text(modulate(text_BTD, text_shift, text_scale))
        q, k = torch.cat([text_qk, image_qk], dim=1).unbind(2)
        k, v = joint.remember(k, torch.cat([text_v, image_v], dim=1))
        seen = text_to_target(q[:, : joint.text], k[:, : joint.text + joint.cells]) if want_map else None
        mixed_BLD = joint.mix(q, k, v)
        mixed_text, mixed_image = mixed_BLD.split([joint.text, mixed_BLD.shape[1] - joint.text], dim=1)

        mixed_image = self.attn.to_out[0](mixed_image).unflatten(1, image_BSND.shape[1:3])
        image_BSND = torch.addcmul(image_BSND, gate, mixed_image)
        image_BSND = torch.addcmul(image_BSND, gate_ff, self.ff(modulate(image_BSND, shift_ff, scale_ff)))
        text_BTD = torch.addcmul(text_BTD, text_gate, self.attn.to_add_out(mixed_text))
        text_BTD = torch.addcmul(
            text_BTD, text_gate_ff, self.ff_context(modulate(text_BTD, text_shift_ff, text_scale_ff))
        )
        return image_BSND, text_BTD, seen


class SingleBlock(nn.Module):
    """One stream of text and image, attention and MLP side by side on the same normed input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = Modulation(width, 3)
        self.attn = SingleAttention(width, heads)
        self.proj_mlp = nn.Linear(width, 4 * width)
        self.proj_out = nn.Linear(5 * width, width)

    def forward(
        self,
        streams: list[Tensor],
        condition_BSD: Tensor,
        joint: Joint,
        last: bool = False,
        want_map: bool = False,
    ) -> tuple[list[Tensor], Tensor | None]:
        """Update ``streams``: text with target, and the reference if there is one, each by its own condition.

        The ``last`` block returns the target's cells alone, for nothing reads the others. The map is as in
        :class:`DoubleBlock`.
        """
        shift, scale, gate = self.norm(condition_BSD)
        normed_BLD = torch.cat(
            [modulate(x, shift[:, s : s + 1], scale[:, s : s + 1]) for s, x in enumerate(streams)], dim=1
        )
        qk, v = self.attn.project(normed_BLD, joint.rotations)
        q, k = qk.unbind(2)
        k, v = joint.remember(k, v)
        seen = text_to_target(q[:, : joint.text], k[:, : joint.text + joint.cells]) if want_map else None

        if last:
            rows = slice(joint.text, joint.text + joint.target)
            streams, normed_BLD = [streams[0][:, joint.text :]], normed_BLD[:, rows]
            mixed = attend(q[:, rows], k, v, joint.bias, rows)
        else:
            mixed = joint.mix(q, k, v)
        hidden = F.gelu(self.proj_mlp(normed_BLD), approximate="tanh")
        if type(self.proj_out) is nn.Linear:
            # proj_out of both side by side, without laying them side by side
            from_mixed, from_hidden = self.proj_out.weight.split([mixed.shape[-1], hidden.shape[-1]], dim=1)
            out_BLD = F.linear(hidden, from_hidden, self.proj_out.bias) + F.linear(mixed, from_mixed)
        else:  # an adapter wraps it
            out_BLD = self.proj_out(torch.cat([mixed, hidden], dim=-1))
        outs = out_BLD.split([x.shape[1] for x in streams], dim=1)
        gates = gate.split(1, dim=1)
        return [torch.addcmul(x, g, out) for x, g, out in zip(streams, gates, outs, strict=False)], seen
