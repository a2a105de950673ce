"""The torchmetrics modules: means over what is defined, on one process and on two."""

import math
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from metric_weights import Colours, settings_of
from torchmetrics import MetricCollection

from editmgt.errors import UserError
from editmgt.metrics import (
    FID,
    KID,
    L1,
    L2,
    PSNR,
    REGISTRY,
    SSIM,
    Backbones,
    EditBatch,
    EditMetric,
    EditRatio,
    EditSuccess,
    EditSuccessStrict,
    HeldFraction,
    LocalizationAUC,
    LocalizationIoU,
    LocalizationIoUBest,
    SampleMean,
    edit_metrics,
    fid,
    kid,
    metric_names,
)

OF_SAMPLES = [name for name, spec in REGISTRY.items() if not spec.of_set]


def edit_batch(size: int, seed: int = 0, backbones: Backbones | None = None) -> EditBatch:
    """Edits of which the first has nothing to change and the last a full mask."""
    random = torch.Generator().manual_seed(seed)
    source, target, edited, codec = torch.rand(4, size, 3, 36, 32, generator=random)
    mask = torch.rand(size, 36, 32, generator=random) < 0.4
    mask[0], mask[-1] = False, True
    target = torch.where(mask[:, None], target, source)
    return EditBatch(
        edited=torch.where(torch.rand(size, 1, 1, 1, generator=random) < 0.5, target, edited),
        source=source,
        target=target,
        edit_mask=mask,
        source_codec=codec,
        localization=torch.rand(size, 4, 3, generator=random),
        held=torch.rand(size, 8, 6, generator=random) < 0.5,
        hold_threshold=0.5,
        seconds=torch.rand(size, generator=random),
        source_caption=[f"picture {index}" for index in range(size)],
        target_caption=["", *(f"picture {index} in red" for index in range(1, size))],
        backbones=backbones,
    )


def part(batch: EditBatch, start: int, stop: int) -> EditBatch:
    values = {k: v[start:stop] if isinstance(v, torch.Tensor | list) else v for k, v in vars(batch).items()}
    return EditBatch(**values)


@pytest.mark.parametrize("name", OF_SAMPLES)
def test_every_metric_is_the_mean_of_its_defined_values(name: str, tiny_backbones: Backbones) -> None:
    batch = edit_batch(7, backbones=tiny_backbones)
    values = REGISTRY[name].score(batch)
    assert values.shape == (7,)
    metric = EditMetric(name)
    for start, stop in ((0, 3), (3, 4), (4, 4), (4, 7)):
        metric.update(part(batch, start, stop))
    torch.testing.assert_close(metric.compute(), values.nanmean(), rtol=1e-4, atol=1e-6)
    assert metric.undefined == int(values.isnan().sum())
    assert metric.defined + metric.undefined == 7
    metric.reset()
    assert (metric.defined, metric.undefined) == (0, 0)


@pytest.mark.parametrize("name", OF_SAMPLES)
def test_values_lie_in_the_stated_range(name: str, tiny_backbones: Backbones) -> None:
    spec = REGISTRY[name]
    values = spec.score(edit_batch(12, seed=3, backbones=tiny_backbones))
    values = values[~values.isnan()]
    assert len(values)
    assert spec.low is None or (values >= spec.low - 1e-5).all()
    assert spec.high is None or (values <= spec.high + 1e-5).all()
    assert spec.direction in ("higher", "lower", "neither")
    assert all((spec.unit, spec.description, spec.source))


def test_named_classes_take_their_twins_arguments() -> None:
    b = edit_batch(6)
    edit = (b.edited, b.source, b.target, b.edit_mask)
    cases: list[tuple[SampleMean, tuple[object, ...], str]] = [
        (L1(), (b.edited, b.target), "whole/l1"),
        (L2(), (b.edited, b.target, b.edit_mask), "inside/l2"),
        (PSNR(), (b.edited, b.target, b.edit_mask), "inside/psnr"),
        (SSIM(), (b.edited, b.source, ~b.edit_mask), "outside/ssim"),
        (EditRatio(), edit, "edit/ratio"),
        (EditSuccess(), (*edit, b.source_codec), "edit/success"),
        (EditSuccessStrict(), (*edit, b.source_codec), "edit/success_strict"),
        (LocalizationAUC(), (b.localization, b.edit_mask), "localization/auc"),
        (LocalizationIoU(), (b.localization, b.edit_mask, 0.5), "localization/iou"),
        (LocalizationIoUBest(), (b.localization, b.edit_mask), "localization/iou_best"),
        (HeldFraction(), (b.held,), "localization/held"),
    ]
    for metric, arguments, name in cases:
        assert metric(*arguments).item() == pytest.approx(REGISTRY[name].score(b).nanmean().item(), abs=1e-6)
        higher = {"higher": True, "lower": False, "neither": None}[REGISTRY[name].direction]
        assert metric.higher_is_better is higher


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_nothing_defined_is_nan_and_counted() -> None:
    metric = EditMetric("inside/l1")
    assert math.isnan(metric.compute())
    batch = edit_batch(1)  # one sample, full mask: nothing lies outside
    metric = EditMetric("outside/l1")
    metric.update(batch)
    assert math.isnan(metric.compute())
    assert (metric.defined, metric.undefined) == (0, 1)


def test_a_collection_keeps_metrics_that_begin_alike_apart() -> None:
    """torchmetrics merges metrics whose states agree after the first batch; these do and must not be."""
    mask = torch.ones(1, 8, 8, dtype=torch.bool)
    source, target = torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)
    named = MetricCollection([EditSuccess(), EditSuccessStrict()])
    registered = edit_metrics("edit/success", "edit/success_strict")
    for edited in (target, target - 0.4):
        named.update(edited, source, target, mask)
        registered.update(EditBatch(edited, source, target, mask, source))
    assert {k: v.item() for k, v in named.compute().items()} == {"EditSuccess": 1.0, "EditSuccessStrict": 0.5}
    values = {k: v.item() for k, v in registered.compute().items()}
    assert values == {"edit/success": 1.0, "edit/success_strict": 0.5}


def test_unknown_names_are_told_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"'outside/l3'\. Did you mean 'outside/l"):
        metric_names(["whole/l1", "outside/l3"])
    with pytest.raises(UserError):
        EditMetric("nothing")
    with pytest.raises(UserError, match="FID"):
        EditMetric("set/fid")
    assert set(metric_names()) < set(REGISTRY)


SHARES = {"uneven": [(0, 4), (4, 9)], "one rank empty": [(0, 9), (9, 9)]}


def _score_shares(rank: int, folder: str, weights: dict[str, dict[str, object]]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    batch = edit_batch(9, backbones=Backbones(weights))
    for case, shares in SHARES.items():
        metrics = edit_metrics(*OF_SAMPLES)
        sets = {"set/fid": FID(Colours()), "set/kid": KID(Colours())}
        start, stop = shares[rank]
        if stop > start:
            share = part(batch, start, stop)
            metrics.update(share)
            for metric in sets.values():
                metric.update(share.edited, share.target)
        values = {name: value.item() for name, value in metrics.compute().items()}
        counts = {name: (metric.defined, metric.undefined) for name, metric in metrics.items()}
        values |= {name: metric.compute().item() for name, metric in sets.items()}
        torch.save((values, counts), f"{folder}/{case} {rank}.pt")
    dist.destroy_process_group()


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_two_processes_agree_with_one(
    tmp_path: Path, metric_weights_dir: Path, tiny_backbones: Backbones
) -> None:
    mp.spawn(_score_shares, (str(tmp_path), settings_of(metric_weights_dir)), nprocs=2)
    batch, look = edit_batch(9, backbones=tiny_backbones), Colours()
    both = look(batch.edited), look(batch.target)
    for case in SHARES:
        for rank in range(2):
            values, counts = torch.load(tmp_path / f"{case} {rank}.pt")
            assert values["set/fid"] == pytest.approx(fid(*both).item(), rel=1e-4), case
            assert values["set/kid"] == pytest.approx(kid(*both).item(), rel=1e-4), case
            for name in OF_SAMPLES:
                expected = REGISTRY[name].score(batch)
                assert values[name] == pytest.approx(expected.nanmean().item(), rel=1e-4, abs=1e-6), (
                    case,
                    name,
                )
                missing = int(expected.isnan().sum())
                assert counts[name] == (9 - missing, missing), (case, name)
