"""Attention over [text, target, reference], the reference's strength, and the maps that localise an edit.

Shapes: B batch, L tokens of the joint sequence, Q queried tokens, T text tokens, N target cells, A attention
heads, K channels per head, X extra channels.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from editmgt.errors import UserError, nearest

SCOPES = ("all", "image")
ATTENDS = ("everything", "itself")


@dataclass(frozen=True)
class ReferenceBias:
    """What the reference's strength gamma adds to attention: nothing (1), two extra channels, or a mask (0).

    The bias ``log(gamma) * (m_i r_j + r_i m_j)``, with m the tokens in scope and r the reference tokens, is a
    product of two vectors of length two, so it rides along as extra channels of queries and keys and no dense
    mask is needed. The scope is ``all`` tokens in the published code, those of the ``image`` in the paper.
    """

    query_LX: Tensor | None = None
    key_LX: Tensor | None = None
    allowed_LL: Tensor | None = None

    @classmethod
    def build(
        cls, strength: float, scope: str, lengths: tuple[int, int, int], head_dim: int, like: Tensor
    ) -> "ReferenceBias":
        """Make the bias for text, target and reference ``lengths``; ``like`` gives device and dtype."""
        if lengths[2] == 0 or strength == 1:
            return cls()
        text, target, _ = lengths
        index_L = torch.arange(sum(lengths), device=like.device)
        is_reference = index_L >= text + target
        in_scope = ~is_reference if scope == "all" else ~is_reference & (index_L >= text)
        if strength == 0:
            apart = in_scope[:, None] & is_reference
            return cls(allowed_LL=~(apart | apart.T))
        padding = -(head_dim + 2) % 8  # fused kernels want a multiple of 8 channels
        query_LX = F.pad(torch.stack([in_scope, is_reference], dim=-1), (0, padding)).to(like.dtype)
        key_LX = F.pad(torch.stack([is_reference, in_scope], dim=-1), (0, padding)).to(like.dtype)
        return cls(query_LX=query_LX * (math.log(strength) * math.sqrt(head_dim)), key_LX=key_LX)


def check_reference(strength: float, scope: str, attends: str) -> None:
    """Refuse a strength below zero, and a word that is not one of its choices."""
    if not (math.isfinite(strength) and strength >= 0):
        raise UserError(f"reference_strength={strength} must be zero or more")
    for name, value, choices in (
        ("reference_strength_scope", scope, SCOPES),
        ("reference_attends", attends, ATTENDS),
    ):
        if value not in choices:
            raise UserError(f"{name}={value!r} is not one of {', '.join(choices)}.{nearest(value, choices)}")


def attend(q_BQAK: Tensor, k_BLAK: Tensor, v_BLAK: Tensor, bias: ReferenceBias, queried: slice) -> Tensor:
    """Attend from the ``queried`` rows of the joint sequence to all of it; returns [B, Q, A * K].

    The bias is one for all cells of the target, so that any Q of them may stand where ``queried`` says.
    """
    head_dim = q_BQAK.shape[-1]
    mask = None if bias.allowed_LL is None else bias.allowed_LL[queried]
    if bias.query_LX is not None and bias.key_LX is not None:
        q_BQAK = _append(q_BQAK, bias.query_LX[queried])
        k_BLAK = _append(k_BLAK, bias.key_LX)
        v_BLAK = F.pad(v_BLAK, (0, bias.key_LX.shape[-1]))
    q, k, v = (x.transpose(1, 2) for x in (q_BQAK, k_BLAK, v_BLAK))
    scale = head_dim**-0.5
    if q.device.type == "cpu" and q.dtype == torch.bfloat16 and torch.is_grad_enabled():
        # the fused kernel's bf16 backward takes four times as long as plain products on a CPU
        logits = (q * scale) @ k.transpose(-1, -2)
        if mask is not None:
            logits = logits.masked_fill(~mask, -math.inf)
        out_BAQK = logits.softmax(-1) @ v
    else:
        out_BAQK = F.scaled_dot_product_attention(q, k, v, mask, scale=scale)
    return out_BAQK[..., :head_dim].transpose(1, 2).flatten(2)


def _append(x_BLAK: Tensor, extra_LX: Tensor) -> Tensor:
    batch, _, heads, _ = x_BLAK.shape
    return torch.cat([x_BLAK, extra_LX[:, None].expand(batch, -1, heads, -1).to(x_BLAK.dtype)], dim=-1)


def text_to_target(q_BTAK: Tensor, k_BLAK: Tensor) -> Tensor:
    """Return how text rows share their attention among target cells, [B, T, N] in fp32, averaged over heads.

    ``k_BLAK`` holds text and target keys; the softmax runs over both. The reference is left out, and with it
    its strength, as in the published localisation.
    """
    text = q_BTAK.shape[1]
    with torch.autocast(q_BTAK.device.type, enabled=False):
        q, k = (x if x.dtype == torch.float64 else x.float() for x in (q_BTAK, k_BLAK))
        logits_BATL = q.transpose(1, 2) @ k.permute(0, 2, 3, 1) * q.shape[-1] ** -0.5
        return logits_BATL.softmax(-1)[..., text:].mean(1)
