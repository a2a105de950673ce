"""FID and KID against torchmetrics and torch-fidelity; Inception against torch-fidelity called directly."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from metric_weights import Colours, pictures
from torch import Tensor
from torch_fidelity import FeatureExtractorInceptionV3
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance, poly_mmd

from editmgt.errors import UserError
from editmgt.metrics import Backbones
from editmgt.metrics.distribution import fid, kid


def features(count: int, seed: int, width: int = 12) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    mixed = torch.randn(count, width, generator=random) @ torch.randn(width, width, generator=random)
    return mixed + seed


@pytest.mark.parametrize("count", [5, 40, 300])  # fewer than features, and more
def test_fid_is_torch_fidelitys(count: int) -> None:
    a, b = features(count, 0).double(), features(count + 7, 1).double()
    theirs = fid_statistics_to_metric(*map(fid_features_to_statistics, (a, b)), verbose=False)
    assert fid(a, b).item() == pytest.approx(theirs["frechet_inception_distance"], rel=1e-6)
    assert fid(a, a).item() == pytest.approx(0, abs=1e-6)


def test_the_metrics_are_torchmetrics_with_the_same_network() -> None:
    a, b = pictures(30, 0), pictures(30, 1)
    theirs = FrechetInceptionDistance(feature=Colours(), normalize=True)
    theirs.set_dtype(torch.float64)
    theirs.update(a, real=True)
    theirs.update(b, real=False)
    seen = Colours()(a), Colours()(b)
    assert fid(*seen).item() == pytest.approx(theirs.compute().item(), rel=1e-4)
    with pytest.warns(UserWarning):
        theirs_kernel = KernelInceptionDistance(feature=Colours(), subsets=1, subset_size=30)
    theirs_kernel.update(a, real=True)
    theirs_kernel.update(b, real=False)
    assert kid(*seen).item() == pytest.approx(theirs_kernel.compute()[0].item(), rel=1e-3)


def test_kid_over_subsets() -> None:
    a, b = features(60, 0).double(), features(60, 1).double()
    whole = poly_mmd(a, b).item()
    assert kid(a, b).item() == pytest.approx(whole, rel=1e-5)
    over_subsets = kid(a, b, subsets=200, subset_size=30)
    assert over_subsets.item() == pytest.approx(whole, rel=0.1)
    assert over_subsets == kid(a, b, subsets=200, subset_size=30)  # the same draws every time


@pytest.mark.parametrize("function", [fid, kid])
def test_less_than_two_pictures_have_no_distance(function: Callable[..., Tensor]) -> None:
    assert function(features(1, 0), features(1, 1)).isnan()


class _Blank(FeatureExtractorInceptionV3):
    def load_state_dict(self, *args: object, **kwargs: object) -> None:  # type: ignore[override]
        """Keep the random weights."""


def test_inception_is_torch_fidelitys(tmp_path: Path) -> None:
    nothing = io.BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    direct = _Blank("inception", ["2048"], nothing)
    path = tmp_path / "weights-inception-2015-12-05-6726825d.pth"
    torch.save(direct.state_dict(), path)
    network = Backbones({"inception": {"weights": str(path)}}).get("inception")
    a = pictures(2, 0)
    torch.testing.assert_close(network(a), direct((a * 255).round().byte())[0])

    torch.save({"fc.bias": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"other\.pth does not hold"):
        Backbones({"inception": {"weights": str(tmp_path / "other.pth")}}).get("inception")


def test_the_covariance_of_two_pictures_is_finite() -> None:
    assert np.isfinite(fid(features(2, 0), features(2, 1)).item())
