import json
from pathlib import Path

import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from editmgt.editing.hold_rules.threshold import held
from editmgt.editing.sampler import Schedule, draw_codes, draw_gumbel, least_confident, sample_generators

CPU = torch.device("cpu")


@pytest.mark.parametrize("threshold", [0.0, 0.4])
@pytest.mark.parametrize("kind", ["cosine", "linear"])
def test_golden_traces(golden: Path, kind: str, threshold: float) -> None:
    """The published scheduler, token for token: sampling, hold and re-masking over six steps."""
    config = json.loads((golden / "sampler.config.json").read_text())
    io = load_file(golden / "sampler.io.safetensors")
    mask_id, steps = config["mask_token_id"], config["steps"]
    generator = torch.Generator().manual_seed(config["generator_seed"])
    schedule = Schedule(steps, kind, tuple(config["temperature"]))
    reference = io[f"{kind}.reference_tokens"].flatten(1)
    tokens = torch.full_like(reference, mask_id)
    for step in range(steps):
        unknown = tokens == mask_id
        probs = io[f"{kind}.logits"][step].flatten(2).transpose(1, 2).softmax(-1)
        tokens = tokens.masked_scatter(unknown, draw_codes(probs[unknown], unknown, generator))
        holds = unknown & held(io[f"{kind}.scores"], threshold)
        tokens = torch.where(holds, reference, tokens)
        if step < steps - 1:
            remasked = least_confident(
                probs.gather(-1, tokens[..., None])[..., 0],
                unknown,
                schedule.unknown_after(step, tokens.shape[1], torch.ones(2)),
                schedule.temperature_at(step),
                generator,
            )
            tokens = tokens.masked_fill(remasked, mask_id)
        assert torch.equal(tokens, io[f"{kind}.hold_{threshold}.trace"][step].flatten(1)), step


def everywhere(probs: torch.Tensor) -> torch.Tensor:
    return torch.ones(probs.shape[:2], dtype=torch.bool)


def test_draws_of_one_generator_are_multinomials() -> None:
    probs = torch.rand(2, 30, 12).softmax(-1)
    ours = draw_codes(probs.flatten(0, 1), everywhere(probs), torch.Generator().manual_seed(3))
    theirs = torch.multinomial(probs.flatten(0, 1), 1, generator=torch.Generator().manual_seed(3))
    assert torch.equal(ours, theirs[:, 0])


def test_what_is_known_does_not_move_the_published_stream() -> None:
    probs, unknown = torch.rand(2, 30, 12).softmax(-1), torch.rand(2, 30) < 0.5
    whole = draw_codes(probs.flatten(0, 1), everywhere(probs), torch.Generator().manual_seed(3))
    some = draw_codes(probs[unknown], unknown, torch.Generator().manual_seed(3))
    assert torch.equal(some, whole[unknown.flatten()])


def test_draws_follow_the_probabilities() -> None:
    probs = torch.tensor([0.1, 0.0, 0.2, 0.7, 0.0]).expand(20_000, 5)
    codes = draw_codes(probs, torch.ones(1, 20_000, dtype=torch.bool), sample_generators(0, ["a"], CPU))
    counts = codes.bincount(minlength=5)
    expected = 20_000 * probs[0]
    assert counts[expected == 0].sum() == 0
    assert scipy.stats.chisquare(counts[expected > 0], expected[expected > 0].double()).pvalue > 0.01


@pytest.mark.parametrize("published", [True, False], ids=["one generator", "one each"])
def test_a_low_temperature_sharpens_the_draws(published: bool) -> None:
    """At 1/2 probabilities count by their squares."""
    one, n = torch.tensor([0.1, 0.0, 0.3, 0.6]), 20_000
    randomness = torch.Generator().manual_seed(0) if published else sample_generators(0, ["a"], CPU)
    codes = draw_codes(one.expand(n, 4), torch.ones(1, n, dtype=torch.bool), randomness, temperature=0.5)
    counts, squares = codes.bincount(minlength=4), one.double() ** 2
    expected = n * squares / squares.sum()
    assert counts[1] == 0
    assert scipy.stats.chisquare(counts[expected > 0], expected[expected > 0]).pvalue > 0.01


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e-300, 1e-4]))
def test_without_temperature_the_likeliest_code_is_drawn(seed: int, temperature: float) -> None:
    """However small it is and however flat the probabilities, nothing overflows into another code."""
    generator = torch.Generator().manual_seed(seed)
    likeliest = torch.randint(8192, (3,), generator=generator)
    logits = torch.rand(3, 8192, generator=generator).scatter_(1, likeliest[:, None], 1.1)
    drawn = draw_codes(
        logits.softmax(-1),
        torch.ones(1, 3, dtype=torch.bool),
        sample_generators(seed, ["a"], CPU),
        temperature,
    )
    assert torch.equal(drawn, likeliest)


@given(st.integers(1, 8192), st.integers(0, 2**32 - 1))
def test_what_cannot_be_is_never_drawn(vocabulary: int, seed: int) -> None:
    """Rounding at the end of the cumulative distribution leads neither past it nor to a code of probability 0."""
    generator = torch.Generator().manual_seed(seed)
    logits = 30 * torch.randn(64, vocabulary, generator=generator)
    logits[:, vocabulary // 2 + 1 :] = -torch.inf
    probs = logits.softmax(-1)
    codes = draw_codes(probs, torch.ones(1, 64, dtype=torch.bool), sample_generators(seed, ["a"], CPU))
    assert (probs.gather(1, codes[:, None]) > 0).all()


def test_a_samples_numbers_do_not_depend_on_its_neighbours() -> None:
    probs, unknown = torch.rand(3, 10, 7), torch.rand(3, 10) < 0.5
    together = sample_generators(5, ["a", "b", "c"], CPU)
    alone = sample_generators(5, ["b"], CPU)
    first, own = int(unknown[0].sum()), int(unknown[1].sum())
    codes = draw_codes(probs[unknown], unknown, together)
    assert torch.equal(codes[first : first + own], draw_codes(probs[1][unknown[1]], unknown[1:2], alone))
    assert torch.equal(draw_gumbel(probs, together)[1:2], draw_gumbel(probs[1:2], alone))


def test_seeds_depend_on_both_seed_and_sample() -> None:
    seeds = {g.initial_seed() for s in (0, 1) for g in sample_generators(s, ["a", "b", "1"], CPU)}
    assert len(seeds) == 6
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_ratio_is_a_float32() -> None:
    """Exact arithmetic leaves 32 of 64 tokens unknown two thirds through the cosine schedule."""
    assert int(Schedule(6).unknown_after(3, 64, torch.ones(1))) == 31
    assert int(Schedule(4, "linear").unknown_after(1, 64, torch.tensor([0.5]))) == 16


@pytest.mark.parametrize("kind", ["cosine", "linear"])
def test_ratio_falls_from_one_to_zero(kind: str) -> None:
    ratios = [Schedule(9, kind).ratio_before(step) for step in range(10)]
    assert ratios[0] == 1 and abs(ratios[-1]) < 1e-6
    assert ratios == sorted(ratios, reverse=True)


def test_temperature_is_linear() -> None:
    schedule = Schedule(5, temperature=(2.0, 0.0))
    assert [schedule.temperature_at(step) for step in range(5)] == [2.0, 1.5, 1.0, 0.5, 0.0]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=4),
    st.integers(0, 20),
    st.floats(0, 50),
    st.integers(0, 9),
)
def test_remasking_always_leaves_and_commits_something(
    unknown_counts: list[int], count: int, temperature: float, seed: int
) -> None:
    batch = len(unknown_counts)
    unknown = torch.arange(12) < torch.tensor(unknown_counts)[:, None]
    probs = torch.rand(batch, 12, generator=torch.Generator().manual_seed(seed))
    generators = sample_generators(seed, [str(i) for i in range(batch)], CPU)
    chosen = least_confident(probs, unknown, torch.full((batch,), count), temperature, generators)
    assert not (chosen & ~unknown).any()
    for row, known_before in zip(chosen, unknown_counts, strict=True):
        wanted = min(count, known_before - 1)
        assert row.sum() == (0 if known_before == 0 else max(1, wanted))


def test_generators_must_match_the_batch() -> None:
    with pytest.raises(ValueError, match="2 generators for a batch of 3"):
        draw_gumbel(torch.rand(3, 4), sample_generators(0, ["a", "b"], CPU))
