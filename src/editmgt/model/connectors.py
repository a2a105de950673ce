"""Connectors: from the text encoder's states to the trunk's width, under the published names."""

from itertools import pairwise

from torch import Tensor, nn

from editmgt.model.config import MGTConfig
from editmgt.model.perceiver import Perceiver


class Projector(nn.Module):
    """One linear, or a chain of linears with GELU between."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        chain: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            chain += [nn.Linear(inputs, outputs), nn.GELU()]
        chain.pop()
        self.projector = chain[0] if len(chain) == 1 else nn.Sequential(*chain)

    def forward(self, states_BTD: Tensor) -> Tensor:
        """Map [B, T, text width] to [B, T, trunk width]."""
        return self.projector(states_BTD)


def build_connector(config: MGTConfig) -> Projector | Perceiver | None:
    """Return the connector that ``config.connector_type`` names; none for states of the trunk's own width."""
    text, width = config.joint_attention_dim, config.width
    match config.connector_type:
        case "linear":
            return Projector(text, width)
        case "mlp":
            return Projector(text, width, width)
        case "fmlp":
            return Projector(text, 4 * text, width, width)
        case "qformer":
            return Perceiver(text, width, latents=config.text_length)
        case _:
            return None
