"""LPIPS against the lpips package called directly."""

from pathlib import Path

import lpips
import pytest
import torch
import torchvision
from metric_weights import SQUEEZENET, pictures, regions
from torchmetrics.functional.image import learned_perceptual_image_patch_similarity

from editmgt.errors import UserError
from editmgt.metrics import Backbones
from editmgt.metrics.image import all_pixels
from editmgt.metrics.perceptual import LPIPSNetwork, lpips_distance


@pytest.fixture
def torch_home(metric_weights_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(metric_weights_dir / "torch"))
    return metric_weights_dir / "torch"


@pytest.mark.filterwarnings("ignore")
def test_whole_and_over_regions(torch_home: Path, tiny_backbones: Backbones) -> None:
    """The package finds its backbone where torchvision would have put it."""
    network, a, b, mask = tiny_backbones.get("lpips"), pictures(4, 0), pictures(4, 1), regions()
    with torch.no_grad():
        whole = lpips.LPIPS(net="squeeze", verbose=False)(a, b, normalize=True).flatten()
        spatial = lpips.LPIPS(net="squeeze", verbose=False, spatial=True)(a, b, normalize=True)[:, 0]
    torch.testing.assert_close(lpips_distance(a, b, network=network), whole)
    expected = [spatial[i][mask[i]].mean().item() for i in range(4)]
    assert lpips_distance(a, b, mask, network=network).tolist() == pytest.approx(
        expected, rel=1e-4, nan_ok=True
    )
    assert lpips_distance(a, b, mask, network=network).isnan().tolist() == [True, False, False, False]
    assert (lpips_distance(a, a, network=network) == 0).all()


def test_all_pixels_is_what_torchmetrics_says_of_blackened_pictures(
    torch_home: Path, tiny_backbones: Backbones
) -> None:
    network, a, b, mask = tiny_backbones.get("lpips"), pictures(4, 0), pictures(4, 1), regions()
    got = all_pixels(lpips_distance)(a, b, mask, network=network).tolist()
    for i in range(1, 4):
        black = a[i : i + 1] * mask[i], b[i : i + 1] * mask[i]
        theirs = learned_perceptual_image_patch_similarity(*black, net_type="squeeze", normalize=True)
        assert got[i] == pytest.approx(theirs.item(), rel=1e-4)
    assert got[0] != got[0]


@pytest.mark.parametrize(("net", "name", "smallest"), [("alex", "alexnet", 31), ("vgg", "vgg16", 16)])
def test_the_other_backbones_get_torchvisions_layers(
    net: str, name: str, smallest: int, tmp_path: Path
) -> None:
    with torch.device("meta"):
        layers = getattr(torchvision.models, name)(weights=None).features
    layers = layers.to_empty(device="cpu")
    for parameter in layers.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    stored = {f"features.{key}": value for key, value in layers.state_dict().items()}
    torch.save(stored | {"classifier.1.bias": torch.zeros(3)}, tmp_path / "weights.pth")
    network = LPIPSNetwork.load((tmp_path / "weights.pth",), {"net": net})
    ours = [*network.network.net.parameters()]
    assert len(ours) == len([*layers.parameters()])
    assert all(torch.equal(x, y) for x, y in zip(ours, layers.parameters(), strict=True))
    a, b = pictures(2, 0), pictures(2, 1)
    assert (lpips_distance(a, b, network=network) > 0).all()
    check_smallest(network, smallest)


def test_weights_of_another_backbone_are_named(torch_home: Path) -> None:
    backbones = Backbones(
        {"lpips": {"net": "alex", "weights": str(torch_home / "hub/checkpoints" / SQUEEZENET)}}
    )
    with pytest.raises(UserError, match=r"squeezenet.*net=alex"):
        backbones.get("lpips")


def check_smallest(network: LPIPSNetwork, side: int) -> None:
    """By the package itself: a picture of ``side`` pixels has a distance, and one of fewer breaks the network."""
    assert network.smallest == side
    for size in ((side, 64), (64, side), (side, side)):
        a, b = pictures(2, 0, size), pictures(2, 1, size)
        assert (lpips_distance(a, b, network=network) > 0).all()
        assert (lpips_distance(a, b, torch.ones(2, *size, dtype=torch.bool), network=network) > 0).all()
    for size in ((side - 1, 64), (64, side - 1)):
        a, b = pictures(2, 0, size), pictures(2, 1, size)
        assert lpips_distance(a, b, network=network).isnan().all()
        with pytest.raises(RuntimeError):
            network.network(a, b)


def test_a_picture_smaller_than_the_network_has_no_lpips(tiny_backbones: Backbones) -> None:
    check_smallest(tiny_backbones.get("lpips"), 17)
