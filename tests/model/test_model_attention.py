"""Strength against a dense mask, maps against the whole softmax, the norm's gradients against differences."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from model_parts import inputs, reference, small_model
from torch import Tensor

from editmgt.errors import UserError
from editmgt.model.attention import ReferenceBias, attend, text_to_target
from editmgt.model.rotary import normalise_and_rotate, rotations

HEADS, BATCH = 2, 2


def dense(
    q: Tensor, k: Tensor, v: Tensor, lengths: tuple[int, int, int], strength: float, scope: str
) -> Tensor:
    """Attention with the bias matrix written out."""
    text, target, _ = lengths
    image = slice(text if scope == "image" else 0, text + target)
    bias = torch.zeros(sum(lengths), sum(lengths), dtype=torch.float64)
    log = math.log(strength) if strength else -math.inf
    bias[image, text + target :] = log
    bias[text + target :, image] = log
    logits = torch.einsum("bqak,blak->baql", q, k) / math.sqrt(q.shape[-1]) + bias
    return torch.einsum("baql,blak->bqak", logits.softmax(-1), v).flatten(2)


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6)),
    head_dim=st.sampled_from([2, 8, 12, 14]),
    strength=st.one_of(st.just(0.0), st.just(1.0), st.floats(0.01, 20)),
    scope=st.sampled_from(["all", "image"]),
    gradients=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_strength_equals_a_dense_mask(lengths, head_dim, strength, scope, gradients, seed) -> None:
    torch.manual_seed(seed)
    q, k, v = torch.randn(3, BATCH, sum(lengths), HEADS, head_dim, dtype=torch.float64)
    bias = ReferenceBias.build(strength, scope, lengths, head_dim, q)
    rows = slice(lengths[0], lengths[0] + lengths[1])
    with torch.set_grad_enabled(gradients):
        everything = attend(q, k, v, bias, slice(None))
        target = attend(q[:, rows], k, v, bias, rows)
    expected = dense(q, k, v, lengths, strength, scope)
    torch.testing.assert_close(everything, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(target, expected[:, rows], rtol=0, atol=1e-12)


def test_extra_channels_fill_a_multiple_of_eight() -> None:
    for head_dim in (2, 8, 12, 32, 62):
        bias = ReferenceBias.build(1.3, "all", (1, 1, 1), head_dim, torch.zeros(()))
        assert bias.query_LX is not None and (head_dim + bias.query_LX.shape[-1]) % 8 == 0


@pytest.mark.parametrize("gradients", [True, False])
def test_strength_zero_in_scope_all_is_no_reference(gradients: bool) -> None:
    model = small_model()
    with torch.set_grad_enabled(gradients):
        without = model(*inputs(model), attention_layers=(0, 2))
        zero = model(
            *inputs(model), reference_tokens=reference(model), reference_strength=0.0, attention_layers=(0, 2)
        )
    assert torch.equal(without.logits, zero.logits)
    assert all(torch.equal(without.attention[layer], zero.attention[layer]) for layer in (0, 2))


def test_strength_zero_in_scope_image_still_reaches_the_text() -> None:
    model = small_model()
    first, second = (
        model(
            *inputs(model),
            reference_tokens=reference(model, seed=seed),
            reference_strength=0.0,
            reference_strength_scope="image",
        ).logits
        for seed in (2, 3)
    )
    assert first.isfinite().all()
    assert not torch.allclose(first, second)


@pytest.mark.parametrize("scope", ["all", "image"])
def test_strength_is_continuous(scope: str) -> None:
    """Almost 0 is almost the mask, almost 1 is almost nothing; what one call asks does not reach the next."""
    model = small_model()

    def logits(strength: float) -> Tensor:
        return model(
            *inputs(model),
            reference_tokens=reference(model),
            reference_strength=strength,
            reference_strength_scope=scope,
        ).logits

    one = logits(1.0)
    torch.testing.assert_close(logits(1e-12), logits(0.0), rtol=0, atol=1e-8)
    torch.testing.assert_close(logits(1 + 1e-9), one, rtol=0, atol=1e-6)
    assert not torch.allclose(logits(3.0), one)
    assert torch.equal(logits(1.0), one)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reference_strength": -0.5}, "reference_strength=-0.5"),
        ({"reference_strength": math.nan}, "reference_strength=nan"),
        ({"reference_strength_scope": "images"}, "Did you mean 'image'?"),
        ({"attention_layers": (1, 3)}, r"\[3\] are outside 0..2"),
        ({"attention_layers": (-1,)}, r"\[-1\] are outside 0..2"),
        ({"reference_tokens": torch.zeros(2, 6, 4, dtype=torch.long)}, "must have the shape of tokens"),
    ],
)
def test_mistakes_are_told(options: dict, words: str) -> None:
    model = small_model()
    with pytest.raises(UserError, match=words):
        model(*inputs(model), **options)


def test_odd_grids_are_told() -> None:
    model = small_model()
    tokens, *rest = inputs(model)
    with pytest.raises(UserError, match="4x5 codes must have even sides"):
        model(tokens[:, :, :5], *rest)


def test_map_is_the_head_mean_of_the_softmax() -> None:
    torch.manual_seed(0)
    text, target = 3, 4
    q, k = torch.randn(2, BATCH, text + target, HEADS, 8, dtype=torch.float64)
    weights = (torch.einsum("bqak,blak->baql", q, k) / math.sqrt(8)).softmax(-1).mean(1)
    torch.testing.assert_close(text_to_target(q[:, :text], k), weights[:, :text, text:])


def test_maps_stay_in_fp32_under_autocast() -> None:
    model = small_model().float()
    tokens, states, pooled, *rest = inputs(model)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        output = model(tokens, states.float(), pooled.float(), *rest, attention_layers=(0, 1, 2))
    assert output.logits.dtype == torch.bfloat16
    for seen in output.attention.values():
        assert seen.dtype == torch.float32 and seen.min() >= 0 and seen.sum(-1).max() <= 1.0001


@pytest.mark.parametrize("rotated", [True, False])
def test_norm_and_rotation_have_the_right_gradients(rotated: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 6, 2, 2, 12, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(2, 12, dtype=torch.float64, requires_grad=True)
    turns = rotations(2, 3, (4, 4, 4), x.device).to(torch.complex128) if rotated else None
    assert torch.autograd.gradcheck(lambda x, w: normalise_and_rotate(x, w, turns), (x, weight))


def test_norm_is_torchs() -> None:
    x = torch.randn(2, 6, 2, 2, 12)
    weight = torch.rand(2, 12)
    normed = normalise_and_rotate(x, weight, None)
    for part in range(2):
        torch.testing.assert_close(normed[:, :, part], F.rms_norm(x[:, :, part], (12,), weight[part], 1e-6))


def test_rotations_depend_on_distance_alone() -> None:
    turns = rotations(4, 5, (4, 8, 8), torch.device("cpu")).unflatten(0, (4, 5))
    assert torch.equal(turns[0, 0], torch.ones(10, dtype=torch.complex64))
    torch.testing.assert_close(turns[3, 4] * turns[1, 1].conj(), turns[2, 3])
