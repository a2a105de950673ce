"""The metrics that look through a network as torchmetrics modules; the network is given once, at construction.

Every class takes in ``update`` what its functional twin takes, less the network:
``LPIPS(Backbones().get("lpips")).update(edited, target, mask)``.
"""

from functools import partial
from typing import Any

from torch import nn

from editmgt.metrics import clip, dino, perceptual
from editmgt.metrics.modules import SampleMean


class NetworkMean(SampleMean):
    """Mean over samples of what ``twin`` says of them with the network."""

    twin: Any

    def __init__(self, network: nn.Module, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.network = network
        self.function = partial(self.twin, network=network)


class LPIPS(NetworkMean):
    """LPIPS, of whole pictures or over a region."""

    higher_is_better = False
    twin = staticmethod(perceptual.lpips_distance)


class CLIPImageSimilarity(NetworkMean):
    """CLIP-I."""

    higher_is_better = True
    twin = staticmethod(clip.clip_image_similarity)


class CLIPTextSimilarity(NetworkMean):
    """CLIP-T, of whole pictures or of a region on black."""

    higher_is_better = True
    twin = staticmethod(clip.clip_text_similarity)


class CLIPDirection(NetworkMean):
    """Directional CLIP similarity."""

    higher_is_better = True
    twin = staticmethod(clip.clip_direction)


class DINOSimilarity(NetworkMean):
    """Cosine of DINO's class tokens."""

    higher_is_better = True
    twin = staticmethod(dino.dino_similarity)


class StructureDistance(NetworkMean):
    """Distance between the self-similarities of DINO's keys."""

    higher_is_better = False
    twin = staticmethod(dino.structure_distance)
