"""Ways for the reference to enter, connectors, precisions, and what an untrained model does."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from model_parts import CONFIG, HEIGHT, WIDTH, inputs, reference, small_model

from editmgt.errors import UserError
from editmgt.model import MGTransformer


def test_shapes_and_properties() -> None:
    model = small_model()
    output = model(
        *inputs(model, batch=3), reference_tokens=reference(model, batch=3), attention_layers=(2, 0)
    )
    assert output.logits.shape == (3, 16, HEIGHT, WIDTH)
    assert output.logits.movedim(1, -1).is_contiguous()
    assert {layer: seen.shape for layer, seen in output.attention.items()} == {0: (3, 5, 6), 2: (3, 5, 6)}
    assert (model.num_blocks, model.mask_token_id, model.cell_size) == (3, 19, 2)
    assert (model.dtype, model.device) == (torch.float64, torch.device("cpu"))
    assert (model.config.downsample, model.config.num_layers, model.config.width) == (True, 1, 24)


def test_logits_of_some_codes_are_those_of_all() -> None:
    model, wanted = small_model(), torch.zeros(2, HEIGHT, WIDTH, dtype=torch.bool)
    wanted[0, 1:, 2], wanted[1, 0] = True, True
    whole = model(*inputs(model), reference(model)).logits
    some = model(*inputs(model), reference(model), logits_at=wanted).logits
    torch.testing.assert_close(some, whole.movedim(1, -1)[wanted])


def test_attention_mode_reads_the_reference_and_none_does_not() -> None:
    model = small_model()
    without, edit = model(*inputs(model)).logits, model(*inputs(model), reference(model)).logits
    assert not torch.allclose(without, edit)
    model.set_reference_mode("none")
    assert torch.equal(model(*inputs(model), reference(model)).logits, without)


def test_input_mode_starts_as_no_reference_and_trains() -> None:
    torch.manual_seed(0)
    model = MGTransformer(**CONFIG, reference_mode="input").double()
    assert "reference_projection.weight" in model.state_dict()
    batch, source = inputs(model), reference(model)
    assert torch.equal(model(*batch, source).logits, model(*batch).logits)

    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(5):  # the source is the answer
        loss = F.cross_entropy(model(*batch, source).logits, source)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert model.reference_projection.weight.any()
    assert losses[-1] < losses[0]
    assert not torch.allclose(model(*batch, source).logits, model(*batch).logits)


def test_reference_mode_can_be_changed_after_loading() -> None:
    model = small_model()
    names, expected = set(model.state_dict()), model(*inputs(model)).logits
    model.set_reference_mode("input")
    assert model.config.reference_mode == "input"
    assert torch.equal(model(*inputs(model), reference(model)).logits, expected)
    model.set_reference_mode("attention")
    assert set(model.state_dict()) == names
    model.set_reference_mode("input")
    torch.nn.init.ones_(model.reference_projection.weight)
    model.set_reference_mode("input")  # nothing new: what has been learned stays
    assert model.reference_projection.weight.all()
    with pytest.raises(UserError, match="Did you mean 'input'"):
        model.set_reference_mode("inputs")


def test_a_sample_does_not_depend_on_its_batch() -> None:
    model = small_model()
    batch, source = inputs(model), reference(model)
    whole = model(*batch, source, reference_strength=1.2).logits
    for row in range(2):
        alone = model(
            *(x[row : row + 1] for x in batch), source[row : row + 1], reference_strength=1.2
        ).logits
        torch.testing.assert_close(alone, whole[row : row + 1], rtol=0, atol=1e-12)


def test_an_untrained_model_is_indifferent_and_its_gates_closed() -> None:
    torch.manual_seed(0)
    model = MGTransformer(**{**CONFIG, "codebook_size": 256, "vocab_size": 264}).double()
    logits = model(*inputs(model), reference(model)).logits
    assert logits.std() < 0.5
    other = model(inputs(model)[0], *inputs(model, seed=9)[1:]).logits
    assert torch.equal(logits, other)  # closed gates: neither the text nor the reference gets through


def test_every_parameter_learns() -> None:
    model = small_model()
    model(*inputs(model), reference(model)).logits.square().sum().backward()
    assert [
        name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()
    ] == []


@pytest.mark.parametrize("mode", ["autocast", "bfloat16"])
@pytest.mark.parametrize("strength", [1.0, 1.3, 0.0])
def test_half_precision_agrees_roughly(mode: str, strength: float) -> None:
    model = small_model().float()
    tokens, states, pooled, time, micro = inputs(model)
    states, pooled, source = states.float(), pooled.float(), reference(model)
    options = {"reference_strength": strength, "reference_strength_scope": "image"}
    expected = model(tokens, states, pooled, time, micro, source, **options).logits
    with torch.autocast("cpu", torch.bfloat16, enabled=mode == "autocast"):
        model = model.bfloat16() if mode == "bfloat16" else model
        trained = model(tokens, states, pooled, time, micro, source, **options).logits
        trained.float().square().mean().backward()
        with torch.inference_mode():
            edited = model(tokens, states, pooled, time, micro, source, **options).logits
    for logits in (trained, edited):
        assert logits.dtype == torch.bfloat16
        assert F.cosine_similarity(logits.float().flatten(), expected.flatten(), dim=0) > 0.999


@pytest.mark.parametrize(
    ("connector", "keys"),
    [
        ("linear", ["projector.bias", "projector.weight"]),
        ("mlp", [f"projector.{i}.{kind}" for i in (0, 2) for kind in ("bias", "weight")]),
        ("fmlp", [f"projector.{i}.{kind}" for i in (0, 2, 4) for kind in ("bias", "weight")]),
    ],
)
def test_connectors_have_the_published_names(connector: str, keys: list[str]) -> None:
    model = small_model(connector_type=connector)
    assert sorted(model.connector.state_dict()) == keys
    assert model(*inputs(model)).logits.isfinite().all()


def test_perceiver_reads_the_timestep_and_any_number_of_states() -> None:
    model = small_model(connector_type="qformer", text_encoder_architecture="CLIP")
    tokens, states, pooled, time, micro = inputs(model)
    output = model(tokens, states, pooled, time, micro, attention_layers=(1,))
    assert output.attention[1].shape[1] == 77
    states_at = [model.connector(states, time) for time in (torch.zeros(2), torch.full((2,), 9.0))]
    assert not torch.allclose(*states_at)
    names = {name.removeprefix("perceiver_blocks.2.") for name in model.connector.state_dict()}
    assert {
        "latents",
        "time_aware_linear.weight",
        "proj_in.bias",
        "attn.in_proj_weight",
        "attn.out_proj.bias",
        "mlp.c_fc.weight",
        "mlp.c_proj.weight",
        "ln_1.linear.weight",
        "ln_2.linear.bias",
        "ln_ff.linear.weight",
    } <= names


@pytest.mark.parametrize("downsample", [True, False])
def test_a_round_trip_keeps_every_tensor(downsample: bool, tmp_path: Path) -> None:
    model = small_model(downsample=downsample, upsample=downsample, reference_mode="input")
    model.save_pretrained(tmp_path / "transformer")
    loaded = MGTransformer.from_pretrained(tmp_path, subfolder="transformer")
    assert loaded.config == model.config and not loaded.training
    expected = model(*inputs(model), reference(model)).logits
    assert torch.equal(loaded(*inputs(model), reference(model)).logits, expected)
    assert all(parameter.requires_grad for parameter in loaded.parameters())
