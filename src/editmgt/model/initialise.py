"""Weights for training from nothing."""

from torch import nn

from editmgt.model.blocks import Modulation
from editmgt.model.embeddings import Head, LatentHead, TimeTextEmbed
from editmgt.model.layers import Fold, Pointwise, Unfold
from editmgt.model.perceiver import Perceiver, TimeNorm


def initialise(model: nn.Module) -> None:
    """Xavier for what carries the signal, small normals for embeddings and ends, zero for every modulation.

    With its gates at zero each block starts as the identity (Peebles & Xie 2022).
    """
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        elif isinstance(module, Pointwise | Fold | Unfold):
            nn.init.xavier_uniform_(module.weight)
        elif isinstance(module, Perceiver):
            nn.init.normal_(module.latents, std=module.latents.shape[-1] ** -0.5)
    for module in model.modules():  # after the general rule, the exceptions
        if isinstance(module, Modulation | TimeNorm):
            nn.init.zeros_(module.linear.weight)
        elif isinstance(module, Head):
            nn.init.normal_(module.conv2.weight, std=0.02)
        elif isinstance(module, LatentHead):
            nn.init.zeros_(module.linear_2.weight)
        elif isinstance(module, TimeTextEmbed):
            nn.init.normal_(module.timestep_embedder.linear_1.weight, std=0.02)
            nn.init.normal_(module.timestep_embedder.linear_2.weight, std=0.02)
