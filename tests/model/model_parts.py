"""A transformer small enough to test in double precision, and inputs for it."""

import torch
from torch import Tensor

from editmgt.model import MGTransformer

CONFIG = {
    "num_layers": 1,
    "num_single_layers": 2,
    "attention_head_dim": 12,
    "num_attention_heads": 2,
    "joint_attention_dim": 10,
    "pooled_projection_dim": 6,
    "axes_dims_rope": (4, 4, 4),
    "vocab_size": 20,
    "codebook_size": 16,
    "downsample": True,
    "upsample": True,
    "connector_type": "linear",
}
TEXT, HEIGHT, WIDTH = 5, 4, 6


def small_model(seed: int = 0, **changes: object) -> MGTransformer:
    """Return a model in fp64 whose gates are open: as initialised, its blocks do nothing."""
    torch.manual_seed(seed)
    model = MGTransformer(**{**CONFIG, **changes}).double()
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def inputs(model: MGTransformer, batch: int = 2, seed: int = 1) -> tuple[Tensor, ...]:
    """Return tokens, text states, pooled text, timestep and micro conditions."""
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randint(model.config.vocab_size, (batch, HEIGHT, WIDTH), generator=generator),
        torch.randn(batch, TEXT, model.config.joint_attention_dim, generator=generator).double(),
        torch.randn(batch, model.config.pooled_projection_dim, generator=generator).double(),
        torch.rand(batch, generator=generator),
        torch.tensor([[64.0, 64.0, 0.0, 0.0, 6.0]]).expand(batch, -1),
    )


def reference(model: MGTransformer, batch: int = 2, seed: int = 2) -> Tensor:
    """Return codes of an image to edit."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(model.config.codebook_size, (batch, HEIGHT, WIDTH), generator=generator)
