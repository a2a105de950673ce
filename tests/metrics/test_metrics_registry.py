"""The registry: every metric per sample, within its stated range."""

import pytest
import torch

from editmgt.errors import UserError
from editmgt.metrics import REGISTRY, Backbones, EditBatch, metric_names

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
        cut=torch.randint(2, (size,), generator=random).float(),
        source_caption=[f"picture {index}" for index in range(size)],
        target_caption=["", *(f"picture {index} in red" for index in range(1, size))],
        backbones=backbones,
    )


def part(batch: EditBatch, start: int, stop: int) -> EditBatch:
    values = {k: v[start:stop] if isinstance(v, torch.Tensor | list) else v for k, v in vars(batch).items()}
    return EditBatch(**values)


@pytest.mark.parametrize("name", OF_SAMPLES)
def test_a_value_is_of_its_sample_alone(name: str, tiny_backbones: Backbones) -> None:
    batch = edit_batch(7, backbones=tiny_backbones)
    values = REGISTRY[name].score(batch)
    assert values.shape == (7,)
    parts = [REGISTRY[name].score(part(batch, *ends)) for ends in ((0, 3), (3, 4), (4, 7))]
    torch.testing.assert_close(torch.cat(parts), values, rtol=1e-4, atol=1e-6, equal_nan=True)


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


def test_where_nothing_lies_outside_a_metric_of_the_outside_is_undefined() -> None:
    assert REGISTRY["outside/l1"].score(edit_batch(1)).isnan().all()  # one sample, full mask


def test_unknown_names_are_told_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"'outside/l3'\. Did you mean 'outside/l"):
        metric_names(["whole/l1", "outside/l3"])
    assert set(metric_names()) < set(REGISTRY)
