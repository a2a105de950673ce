"""Distances between two sets of pictures by what Inception sees in them: FID and KID.

Shapes: N M pictures of each set, D features, B batch, 3 RGB, H W pixels.
"""

import io
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from editmgt.errors import UserError
from editmgt.metrics.features import ImageFeatures, to_bytes
from editmgt.metrics.network_weights import MissingWeights, configured, from_torch_cache, read_tensors
from editmgt.metrics.registry import metric

_set_metric = partial(
    metric, reads=("edited", "target"), backbone="inception", default=False, of_set=True, direction="lower"
)


class Inception(ImageFeatures):
    """The Inception v3 that published FIDs are measured with (TensorFlow's, 2015), through torch-fidelity.

    Settings: ``weights``, a file with torch-fidelity's conversion of them.
    """

    @staticmethod
    def find(kind: str, settings: Mapping[str, Any]) -> tuple[Path, ...]:
        """Return the file of the weights; see :mod:`editmgt.metrics.network_weights` for the errors."""
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3
        except ImportError as error:
            raise MissingWeights(
                "torch_fidelity is not installed: pip install 'editmgt[metrics]'."
            ) from error
        key = f"metrics.{kind}.weights"
        if settings["weights"] is not None:
            return (configured(key, settings["weights"]),)
        return (from_torch_cache(key, URL_INCEPTION_V3),)

    @classmethod
    def load(cls, files: Sequence[Path], settings: Mapping[str, Any]) -> "Inception":
        """Return the network; weights of another one are a ``UserError`` that names the file."""
        from torch_fidelity import FeatureExtractorInceptionV3

        # torch-fidelity would unpickle anything in the file: it gets the tensors alone.
        tensors = io.BytesIO()
        torch.save(read_tensors(files[0]), tensors)
        tensors.seek(0)
        try:
            network = FeatureExtractorInceptionV3("inception", ["2048"], tensors)
        except RuntimeError as error:
            raise UserError(f"{files[0]} does not hold torch-fidelity's Inception weights.") from error
        return cls(network)

    def _features(self, pixels_B3HW: Tensor) -> Tensor:
        return self.network(to_bytes(pixels_B3HW))[0]


@_set_metric(
    "set/fid",
    low=0,
    high=None,
    description="Frechet distance between the Inception features of all edited pictures and of all targets (sources, "
    "where there are no targets); biased upwards for small sets, so compare at equal n",
    source="Heusel et al. 2017",
)
def fid(first_ND: Tensor, second_MD: Tensor) -> Tensor:
    """Return the Frechet distance, at least 0, of two sets of features as Gaussians (Heusel et al. 2017).

    NaN where a set has fewer than two. It is biased upwards for small sets: compare at equal sizes, and read
    it from some thousands of pictures on.
    """
    if min(len(first_ND), len(second_MD)) < 2:
        return first_ND.new_tensor(torch.nan)
    means, roots = zip(*map(_mean_and_root, (first_ND.double(), second_MD.double())), strict=True)
    # With covariances A'A and B'B, the trace of (A'A B'B)^1/2 is the sum of the singular values of A B'.
    overlap = torch.linalg.svdvals(roots[0] @ roots[1].T).sum()
    distance = (means[0] - means[1]).square().sum() + sum(root.square().sum() for root in roots)
    return (distance - 2 * overlap).clamp(min=0).to(first_ND.dtype)


@_set_metric(
    "set/kid",
    low=None,
    high=None,
    description="kernel distance between the same features, unbiased: it may be under 0",
    source="Binkowski et al. 2018",
)
def kid(
    first_ND: Tensor, second_MD: Tensor, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> Tensor:
    """Return the kernel distance of two sets of features (Binkowski et al. 2018), unbiased, so it may be under 0.

    The mean of the squared maximum mean discrepancy with the kernel (x.y / D + 1)^3 over ``subsets`` draws of
    ``subset_size`` of each set; sets that are no larger are taken whole, once. NaN where a set has fewer than
    two.
    """
    size = min(len(first_ND), len(second_MD))
    if size < 2:
        return first_ND.new_tensor(torch.nan)
    first_ND, second_MD = first_ND.double(), second_MD.double()
    if size <= subset_size:
        return _discrepancy(first_ND, second_MD).float()
    random = torch.Generator().manual_seed(seed)

    def draw(features: Tensor) -> Tensor:
        chosen = torch.randperm(len(features), generator=random)[:subset_size]
        return features[chosen.to(features.device)]

    draws = [_discrepancy(draw(first_ND), draw(second_MD)) for _ in range(subsets)]
    return torch.stack(draws).mean().float()


def _mean_and_root(features_ND: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean [D] and a matrix whose product with its transpose is the covariance [D,D]."""
    mean_D = features_ND.mean(dim=0)
    centred_ND = (features_ND - mean_D) / (len(features_ND) - 1) ** 0.5
    return mean_D, torch.linalg.qr(centred_ND, mode="r").R


def _discrepancy(first_ND: Tensor, second_MD: Tensor) -> Tensor:
    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1] + 1) ** 3

    within = [_off_diagonal_mean(kernel(features, features)) for features in (first_ND, second_MD)]
    return within[0] + within[1] - 2 * kernel(first_ND, second_MD).mean()


def _off_diagonal_mean(matrix_NN: Tensor) -> Tensor:
    size = len(matrix_NN)
    return (matrix_NN.sum() - matrix_NN.trace()) / (size * (size - 1))
