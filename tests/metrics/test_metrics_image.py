"""Picture distances against numpy and scikit-image, over whole pictures and over regions of every kind."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_weights import configured
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import peak_signal_noise_ratio as torchmetrics_psnr
from torchmetrics.functional.image import structural_similarity_index_measure

from editmgt.metrics import REGISTRY, identity
from editmgt.metrics.image import all_pixels, l1, l2, psnr, ssim, ssim_inner


def pictures(
    seed: int, batch: int = 3, height: int = 40, width: int = 33
) -> tuple[torch.Tensor, torch.Tensor]:
    """A smooth, partly flat picture and a noisy version of it (the flat part is where SSIM cancels most)."""
    rng = np.random.default_rng(seed)
    base = np.full((batch, 3, height, width), 0.85)
    base[:, :, height // 3 :, :] = rng.random((batch, 3, 1, 1))
    base[..., width // 2 :] += 0.1 * rng.standard_normal((batch, 3, height, width - width // 2))
    other = base + 0.05 * rng.standard_normal(base.shape) * (rng.random((batch, 1, height, width)) < 0.5)
    return tuple(torch.tensor(np.clip(x, 0, 1), dtype=torch.float32) for x in (base, other))  # type: ignore[return-value]


def ragged(seed: int, batch: int = 3, height: int = 40, width: int = 33) -> torch.Tensor:
    return torch.tensor(
        np.random.default_rng(seed).random((batch, height, width)) < [[[0.1]], [[0.5]], [[0.9]]]
    )


def ssim_map_by_skimage(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[H,W], mean over channels; border mirrored by hand: scikit-image repeats the edge pixel."""
    a, b = (np.pad(x.astype(np.float64), ((0, 0), (5, 5), (5, 5)), mode="reflect") for x in (a, b))
    _, full = structural_similarity(
        a,
        b,
        data_range=1,
        channel_axis=0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return full[:, 5:-5, 5:-5].mean(axis=0)


@pytest.mark.parametrize("seed", range(4))
def test_l1_l2_and_psnr_equal_numpy_and_skimage(seed: int) -> None:
    a, b = pictures(seed)
    mask = ragged(seed)
    for index in range(3):
        x, y = a[index].double().numpy(), b[index].double().numpy()
        inside = mask[index].numpy()
        assert l1(a, b)[index].item() == pytest.approx(np.abs(x - y).mean(), rel=1e-5)
        assert l2(a, b)[index].item() == pytest.approx(mean_squared_error(x, y), rel=1e-5)
        expected_l2 = mean_squared_error(x[:, inside], y[:, inside])
        assert l2(a, b, mask)[index].item() == pytest.approx(expected_l2, rel=1e-5)
        assert psnr(a, b)[index].item() == pytest.approx(
            peak_signal_noise_ratio(x, y, data_range=1), rel=1e-5
        )
        assert l1(a, b, mask)[index].item() == pytest.approx(np.abs(x - y)[:, inside].mean(), rel=1e-5)
        by_region = peak_signal_noise_ratio(x[:, inside], y[:, inside], data_range=1)
        assert psnr(a, b, mask)[index].item() == pytest.approx(by_region, rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_ssim_equals_skimage(seed: int) -> None:
    a, b = pictures(seed)
    mask = ragged(seed)
    for index in range(3):
        expected = ssim_map_by_skimage(a[index].numpy(), b[index].numpy())
        assert ssim(a, b)[index].item() == pytest.approx(expected.mean(), abs=1e-6)
        assert ssim(a, b, mask)[index].item() == pytest.approx(expected[mask[index].numpy()].mean(), abs=1e-6)


def test_ssim_is_torchmetrics_up_to_float32() -> None:
    a, b = pictures(5, height=64, width=48)
    theirs = structural_similarity_index_measure(a, b, data_range=1.0, reduction="none")
    torch.testing.assert_close(ssim(a, b), theirs, atol=2e-4, rtol=0)


def test_all_pixels_is_what_pie_bench_computes() -> None:
    """Both pictures times the region, then torchmetrics over all pixels: PIE-Bench's scorer, step by step."""
    a, b = pictures(6)
    mask = ragged(6)
    mask[0] = False
    by_all = {distance: all_pixels(distance)(a, b, mask) for distance in (l2, psnr, ssim)}
    for index in (1, 2):
        x, y = (picture[index : index + 1] * mask[index] for picture in (a, b))
        assert by_all[l2][index].item() == pytest.approx((x - y).square().mean().item(), rel=1e-5)
        assert by_all[psnr][index].item() == pytest.approx(
            torchmetrics_psnr(x, y, data_range=1.0).item(), rel=1e-5
        )
        theirs = structural_similarity_index_measure(x, y, data_range=1.0)
        assert by_all[ssim][index].item() == pytest.approx(theirs.item(), abs=2e-4)
        # it is the value by area, times the area's share
        share = mask[index].float().mean()
        assert by_all[l2][index].item() == pytest.approx((l2(a, b, mask)[index] * share).item(), rel=1e-5)
    assert all(values.isnan().tolist() == [True, False, False] for values in by_all.values())
    full = torch.ones_like(mask)
    assert all(torch.equal(all_pixels(d)(a, b, full), d(a, b)) for d in by_all)


def test_pie_benchs_ssim_leaves_the_border_out_as_scikit_image_does() -> None:
    """torchmetrics did so until 1.4.1; later ones, and our own, count a mirrored border."""
    a, b = pictures(10)
    mask = ragged(10)
    by_pie, ours = (
        REGISTRY[f"{group}/ssim"].function(a, b, mask).tolist() for group in ("outside_all", "outside")
    )
    options = {"data_range": 1, "channel_axis": 0, "gaussian_weights": True, "sigma": 1.5}
    for index in range(3):
        x, y = ((picture[index] * mask[index]).double().numpy() for picture in (a, b))
        theirs = structural_similarity(x, y, use_sample_covariance=False, **options)
        assert by_pie[index] == pytest.approx(theirs, abs=1e-6)
        assert by_pie[index] != pytest.approx(ours[index], abs=1e-3)
    one = a.clone()
    one[..., :5] = 1 - one[..., :5]  # at the rim alone
    assert (ssim_inner(a, one) > ssim(a, one) + 0.05).all()
    assert (
        ssim_inner(a[..., :10], b[..., :10]).isnan().all()
        and not ssim(a[..., :10], b[..., :10]).isnan().any()
    )
    said = identity(configured(names=["outside_all/ssim", "outside/ssim"]))["definitions"]
    assert "without the 5 pixels of its border" in said["outside_all/ssim"]
    assert "with its border mirrored" in said["outside/ssim"]


@pytest.mark.parametrize("distance", [l1, l2, psnr, ssim])
def test_regions(distance) -> None:  # type: ignore[no-untyped-def]
    a, b = pictures(7)
    empty, full = torch.zeros(3, 40, 33, dtype=torch.bool), torch.ones(3, 40, 33, dtype=torch.bool)
    assert distance(a, b, empty).isnan().all()
    torch.testing.assert_close(distance(a, b, full), distance(a, b))
    mixed = torch.stack([empty[0], full[0], ragged(7)[1]])
    assert distance(a, b, mixed).isnan().tolist() == [True, False, False]
    with pytest.raises(ValueError, match="does not fit"):
        distance(a, b, full[:, None])


def test_a_change_outside_the_region_does_not_count() -> None:
    a, b = pictures(8)
    mask = ragged(8)
    moved = torch.where(mask[:, None], b, 1 - b)
    torch.testing.assert_close(l1(a, moved, mask), l1(a, b, mask))
    torch.testing.assert_close(psnr(a, moved, mask), psnr(a, b, mask))


def test_the_value_does_not_depend_on_the_area() -> None:
    a = torch.zeros(2, 3, 32, 32)
    b = torch.full_like(a, 0.25)
    mask = torch.zeros(2, 32, 32, dtype=torch.bool)
    mask[0, :2, :2] = mask[1, :30, :] = True
    assert l1(a, b, mask).tolist() == [0.25, 0.25]


def test_identical_pictures() -> None:
    a, _ = pictures(9)
    assert (l1(a, a) == 0).all()
    assert psnr(a, a).isnan().all()  # infinite: not defined, rather than an invented cap
    assert (ssim(a, a) == 1).all()


def test_a_picture_smaller_than_the_window_has_no_ssim() -> None:
    assert ssim(torch.zeros(2, 3, 5, 40), torch.zeros(2, 3, 5, 40)).isnan().all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), size=st.tuples(st.integers(6, 30), st.integers(6, 30)))
def test_ranges_and_symmetry(seed: int, size: tuple[int, int]) -> None:
    a, b = torch.rand(2, 2, 3, *size, generator=torch.Generator().manual_seed(seed))
    assert ((l1(a, b) >= 0) & (l1(a, b) <= 1)).all()
    assert (psnr(a, b) >= 0).all()
    assert (ssim(a, b).abs() <= 1 + 1e-5).all()
    for distance in (l1, l2, psnr, ssim):
        torch.testing.assert_close(distance(a, b), distance(b, a))
