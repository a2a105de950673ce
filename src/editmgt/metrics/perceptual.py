"""LPIPS, through the lpips package: a distance between what a classifier sees in two pictures.

Shapes: B batch, 3 RGB, H W pixels. NaN is "not defined".
"""

import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from editmgt.errors import UserError
from editmgt.metrics.image import region_mean
from editmgt.metrics.network_weights import MissingWeights, configured, from_torch_cache, read_tensors

_LARGE = 64  # pixels a side, which no classifier is too large for
_TORCHVISION = {"alex": "AlexNet_Weights", "vgg": "VGG16_Weights", "squeeze": "SqueezeNet1_1_Weights"}


class LPIPSNetwork(nn.Module):
    """torchvision's classifier with the lpips package's linear heads on top.

    Settings: ``net``, one of alex, vgg and squeeze; ``weights``, a file with torchvision's weights of it.
    """

    network: Any

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)

    @cached_property
    def smallest(self) -> int:
        """Pixels a side from which on the classifier's pooling leaves something: asked of itself, once."""
        like = next(self.network.net.parameters())
        for side in range(1, _LARGE):
            try:
                self.network.net(like.new_zeros(1, 3, side, _LARGE))
            except RuntimeError:  # the layer that is left with nothing says so
                continue
            return side
        return _LARGE

    @staticmethod
    def find(kind: str, settings: Mapping[str, Any]) -> tuple[Path, ...]:
        """Return the file of the weights; see :mod:`editmgt.metrics.network_weights` for the errors."""
        import torchvision

        if find_spec("lpips") is None:
            raise MissingWeights("lpips is not installed: pip install 'editmgt[metrics]'.")
        key = f"metrics.{kind}.weights"
        if settings["weights"] is not None:
            return (configured(key, settings["weights"]),)
        weights = getattr(torchvision.models, _TORCHVISION[settings["net"]])
        return (from_torch_cache(key, weights.IMAGENET1K_V1.url),)

    @classmethod
    def load(cls, files: Sequence[Path], settings: Mapping[str, Any]) -> "LPIPSNetwork":
        """Return the network; weights of another classifier are a ``UserError`` that names the file."""
        import lpips

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # lpips calls torchvision as it was called years ago
            network = lpips.LPIPS(net=settings["net"], pnet_rand=True, verbose=False)
        stored = read_tensors(files[0])
        # lpips cuts torchvision's `features` into slices and keeps the layers' numbers.
        wanted = {name: f"features.{name.split('.', 1)[1]}" for name in network.net.state_dict()}
        try:
            network.net.load_state_dict({name: stored[theirs] for name, theirs in wanted.items()})
        except (KeyError, RuntimeError) as error:
            raise UserError(
                f"{files[0]} does not hold torchvision's weights for lpips.net={settings['net']}."
            ) from error
        return cls(network)

    def forward(self, edited_B3HW: Tensor, reference_B3HW: Tensor, spatial: bool) -> Tensor:
        """Return the distance [B,1,1,1], or its map [B,1,H,W]."""
        self.to(edited_B3HW.device)
        self.network.spatial = spatial
        with torch.no_grad():
            return self.network(edited_B3HW, reference_B3HW, normalize=True)


def lpips_distance(
    edited_B3HW: Tensor,
    reference_B3HW: Tensor,
    region_BHW: Tensor | None = None,
    *,
    network: LPIPSNetwork,
) -> Tensor:
    """Return LPIPS [B] (Zhang et al. 2018), at least 0 and mostly under 1; NaN where the region is empty.

    Over a region it is the mean of the package's map (``spatial=True``), whose layers are brought to the
    pixels first: over a full region that is not quite the value without one. What lies outside the region is
    seen too, as far as the network's receptive fields reach. NaN where a side is under ``network.smallest`` pixels.
    """
    if min(edited_B3HW.shape[-2:]) < network.smallest:
        return edited_B3HW.new_full((len(edited_B3HW),), torch.nan)
    return region_mean(network(edited_B3HW, reference_B3HW, spatial=region_BHW is not None), region_BHW)
