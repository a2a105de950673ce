"""The transformer computes the published function, and carries the published names at the released sizes."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from editmgt.model import MGTransformer

CASES = ("editmgt_like", "meissonic_like")
RELEASED = ("editmgt_1024", "meissonic_1024", "meissonic_512")
INPUTS = ("tokens", "text_states", "pooled_text", "timestep", "micro_conditions")


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, golden: Path) -> tuple[MGTransformer, dict[str, Tensor]]:
    model = MGTransformer(**json.loads((golden / f"{request.param}.config.json").read_text())).eval()
    model.load_state_dict(load_file(golden / f"{request.param}.weights.safetensors"))
    return model, load_file(golden / f"{request.param}.io.safetensors")


@pytest.fixture(params=[True, False], ids=["training", "inference"], autouse=True)
def gradients(request: pytest.FixtureRequest):
    """Both attention kernels: plain products while gradients are on, the fused one while they are off."""
    with torch.set_grad_enabled(request.param):
        yield


def run(case: tuple[MGTransformer, dict[str, Tensor]], **options):
    model, io = case
    return model(*(io[name] for name in INPUTS), **options)


def test_text_to_image(case) -> None:
    torch.testing.assert_close(run(case).logits, case[1]["logits_text_to_image"], rtol=0, atol=2e-4)


@pytest.mark.parametrize(
    ("strength", "name"),
    [(1.0, "logits_edit"), (1.3, "logits_edit_strength_1.3"), (0.5, "logits_edit_strength_0.5")],
)
def test_edit(case, strength: float, name: str) -> None:
    output = run(case, reference_tokens=case[1]["reference_tokens"], reference_strength=strength)
    assert output.attention == {}
    torch.testing.assert_close(output.logits, case[1][name], rtol=0, atol=2e-4)


def test_attention_of_every_block(case) -> None:
    model, io = case
    layers = range(model.num_blocks)
    output = run(case, reference_tokens=io["reference_tokens"], attention_layers=layers)
    assert list(output.attention) == list(layers)
    for layer in layers:
        expected = io[f"attention_text_to_image.{layer}"]
        torch.testing.assert_close(output.attention[layer], expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(output.logits, io["logits_edit"], rtol=0, atol=2e-4)


def test_attention_of_the_last_block_at_another_strength(case) -> None:
    model, io = case
    last = model.num_blocks - 1
    output = run(
        case, reference_tokens=io["reference_tokens"], reference_strength=1.3, attention_layers=(last,)
    )
    expected = io["attention_text_to_image_strength_1.3.last"]
    torch.testing.assert_close(output.attention[last], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", RELEASED)
def test_released_state_dict(name: str, golden: Path) -> None:
    released = json.loads((golden / f"{name}.state_dict.json").read_text())
    with torch.device("meta"):
        model = MGTransformer(**released["config"])
    assert {key: list(value.shape) for key, value in model.state_dict().items()} == released["state_dict"]
    assert sum(parameter.numel() for parameter in model.parameters()) == released["parameters"]
