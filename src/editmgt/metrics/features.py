"""What the networks that metrics look through have in common: pictures as PIL, cosines, features computed once.

Shapes: B batch, 3 RGB, H W pixels, D features.
"""

from abc import ABC, abstractmethod
from functools import partial
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.weak import WeakIdKeyDictionary

from editmgt.metrics.registry import metric


class ImageFeatures(nn.Module, ABC):
    """A frozen network that turns pictures [B,3,H,W] in [0, 1] into features [B,D].

    Several metrics look at the same pictures: the features of a tensor are kept as long as the tensor is (and
    dropped where it was changed in place).
    """

    network: Any  # each kind calls its own methods of it

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self._seen = WeakIdKeyDictionary()

    def forward(self, pixels_B3HW: Tensor) -> Tensor:
        """Return the pictures' features [B,D], float32."""
        version = None if pixels_B3HW.is_inference() else pixels_B3HW._version
        seen_version, features = self._seen.get(pixels_B3HW, (None, None))
        if features is None or seen_version != version:
            self.to(pixels_B3HW.device)
            with torch.no_grad():
                features = self._features(pixels_B3HW).float()
            self._seen[pixels_B3HW] = (version, features)
        return features

    @abstractmethod
    def _features(self, pixels_B3HW: Tensor) -> Tensor:
        """Run the network on pictures; features [B,D]."""


def to_bytes(pixels_B3HW: Tensor) -> Tensor:
    """Return floats in [0, 1] as uint8, rounded: what a picture was before it became floats."""
    return (pixels_B3HW.clamp(0, 1) * 255).round().to(torch.uint8)


def to_images(pixels_B3HW: Tensor) -> list[Image.Image]:
    """Return PIL pictures: the published scorers resize those, and tensors resize a little differently."""
    return [Image.fromarray(row.numpy()) for row in to_bytes(pixels_B3HW).permute(0, 2, 3, 1).cpu()]


#: :func:`metric` with the facts of a cosine of features.
cosine_metric = partial(metric, direction="higher", low=-1, high=1, default=False)
