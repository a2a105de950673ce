"""What an edit costs in counted operations: the same number on every machine, however busy."""

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from editmgt.config.presets import presets
from editmgt.editing import EditSettings, edit_tokens
from editmgt.editing.sampler import sample_generators
from editmgt.model import MGTransformer
from editmgt.text import TextStates

SIDE, TEXT = 16, 16  # codes along a side; 64 cells of the target and as many of the source
CONFIG = {
    "num_layers": 1,
    "num_single_layers": 2,
    "attention_head_dim": 16,
    "num_attention_heads": 4,
    "joint_attention_dim": 64,
    "pooled_projection_dim": 64,
    "axes_dims_rope": (4, 6, 6),
    "vocab_size": 320,
    "codebook_size": 256,
    "downsample": True,
    "upsample": True,
    "connector_type": "none",
}


FUSED_ATTENTION = (
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
)  # the counter knows the GPU's alone


def attention(q: torch.Size, k: torch.Size, v: torch.Size, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(q, k, v)


@pytest.fixture(scope="module")
def transformer() -> MGTransformer:
    torch.manual_seed(0)
    return MGTransformer(**CONFIG).eval().requires_grad_(False)  # the counter follows gradients


def operations(transformer: MGTransformer, area: float = 1.0, **changes: Any) -> int:
    """Count those of an edit of 36 steps under guidance, of which a part of the picture may change."""
    states = TextStates(torch.zeros(1, TEXT, 64), torch.zeros(1, 64))
    part = torch.arange(SIDE * SIDE).view(1, SIDE, SIDE) < area * SIDE * SIDE
    settings = EditSettings(region_hold=False, reference_strength=1.0, layers=(1,), single_layer=1)
    with FlopCounterMode(display=False, custom_mapping={FUSED_ATTENTION: attention}) as counter:
        edit_tokens(
            transformer,
            torch.zeros(1, SIDE, SIDE, dtype=torch.long),
            states,
            states,
            settings.override(**changes),
            micro_conditions_B5=torch.zeros(1, 5),
            randomness=sample_generators(0, ["a"], torch.device("cpu")),
            may_change_BHW=part,
        )
    return int(counter.get_total_flops())


@pytest.fixture(scope="module")
def exact(transformer: MGTransformer) -> int:
    return operations(transformer, area=0.3)


def test_guidance_doubles_an_edit_but_for_the_last_linear_map(transformer: MGTransformer) -> None:
    guided, alone = (operations(transformer, steps=3, guidance_scale=scale) for scale in (6.0, 1.0))
    assert 1.8 < guided / alone < 1.9


def test_a_map_of_more_layers_costs_next_to_nothing(transformer: MGTransformer) -> None:
    """The text's rows alone, of half of the batch."""
    one, averaged = (operations(transformer, steps=3, layers=layers) for layers in ((1,), (0, 1, 2)))
    assert one < averaged < 1.02 * one


@pytest.mark.parametrize(("preset", "least"), [("quality", 1.0), ("balanced", 6.0), ("fast", 8.0)])
def test_presets_save_what_they_say_for_a_small_edit(
    transformer: MGTransformer, exact: int, preset: str, least: float
) -> None:
    assert exact / operations(transformer, area=0.3, **presets("speed")[preset]) >= least


@pytest.mark.parametrize("preset", ["balanced", "fast"])
def test_the_smaller_the_edit_the_cheaper(transformer: MGTransformer, preset: str) -> None:
    costs = [operations(transformer, area, steps=8, **presets("speed")[preset]) for area in (0.1, 0.5, 1.0)]
    assert costs == sorted(set(costs))
    assert costs[0] < costs[-1] / 2
