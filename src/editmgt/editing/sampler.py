"""Iterative decoding of masked tokens (MaskGIT, with the published scheduler's numbers).

Shapes: B batch, N code positions, M unknown positions of the whole batch, V codebook.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# One generator draws for the whole batch, in the published order; several draw for one sample each, so that a
# sample's numbers do not depend on its neighbours.
Randomness = torch.Generator | Sequence[torch.Generator]

ROWS = 256  # of a large tensor that are worked on at a time: they stay in a processor's cache

SMALLEST = 1e-20  # logarithms are taken of numbers no smaller than this, as published


def sample_generators(
    seed: int | Sequence[int], sample_ids: Sequence[str], device: torch.device
) -> list[torch.Generator]:
    """Return one generator per sample, seeded from (seed, sample id) alone; ``seed`` is everyone's or one each."""
    generators = []
    seeds = [seed] * len(sample_ids) if isinstance(seed, int) else seed
    for own, sample_id in zip(seeds, sample_ids, strict=True):
        digest = hashlib.sha256(f"{own}/{sample_id}".encode()).digest()
        generator = torch.Generator(device)
        generator.manual_seed(int.from_bytes(digest[:8], "big") >> 1)  # torch takes 63 bits everywhere
        generators.append(generator)
    return generators


def _draw(fill: Callable[[Tensor, torch.Generator], Tensor], like: Tensor, randomness: Randomness) -> Tensor:
    """Fill a tensor shaped as ``like`` [B,...] on the generator's device, then bring it to ``like``'s."""
    if isinstance(randomness, torch.Generator):
        noise = torch.empty(like.shape, dtype=like.dtype, device=randomness.device)
        return fill(noise, randomness).to(like.device)
    if len(randomness) != len(like):
        raise ValueError(f"{len(randomness)} generators for a batch of {len(like)}")
    rows = [
        fill(torch.empty(like.shape[1:], dtype=like.dtype, device=generator.device), generator)
        for generator in randomness
    ]
    return torch.stack(rows).to(like.device)


def softmax_(logits_MV: Tensor) -> Tensor:
    """Make probabilities of logits in place: one more tensor of this size would be a quarter of an edit's memory."""
    for rows in logits_MV.split(ROWS):
        rows.copy_(rows.softmax(dim=-1))
    return logits_MV


def draw_codes(
    probs_MV: Tensor, unknown_BN: Tensor, randomness: Randomness, temperature: float = 1.0
) -> Tensor:
    """Sample a code for each of the M unknown positions, [M], from ``probs_MV``, whose rows are in their order.

    ``temperature`` 1 draws by the probabilities (published); less sharpens them; 0 takes the likeliest code.
    One generator gives the numbers of ``torch.multinomial`` of one draw of all positions on the CPU, as published: an
    exponential for every code of every position. One generator per sample inverts the cumulative distribution, with a
    single uniform a position: the same distribution for a thousandth of the numbers.
    """
    if temperature == 0:
        return probs_MV.argmax(dim=-1)
    if temperature != 1:
        # relative to the likeliest code, so that no power is too small for a float
        probs_MV = torch.cat(
            [(rows / rows.amax(dim=-1, keepdim=True)).pow(1 / temperature) for rows in probs_MV.split(ROWS)]
        )
    if isinstance(randomness, torch.Generator):
        everywhere = probs_MV.new_empty(()).expand(*unknown_BN.shape, probs_MV.shape[-1])
        noise_BNV = _draw(lambda t, g: t.exponential_(1, generator=g), everywhere, randomness)
        return (probs_MV / noise_BNV[unknown_BN]).argmax(dim=-1)
    everywhere = probs_MV.new_empty(()).expand(unknown_BN.shape)
    uniform_BN = _draw(lambda t, g: t.uniform_(0, 1, generator=g), everywhere, randomness)
    parts = zip(probs_MV.split(ROWS), uniform_BN[unknown_BN].split(ROWS), strict=True)
    return torch.cat([_invert(probs, uniform) for probs, uniform in parts])


def _invert(probs_MV: Tensor, uniform_M: Tensor) -> Tensor:
    """Return the codes [M] at which the cumulative distributions pass ``uniform_M``."""
    cumulative_MV = probs_MV.cumsum(dim=-1)
    total_M1 = cumulative_MV[:, -1:]
    # strictly under the total, so that rounding never leads past the last code that can be drawn
    drawn_M1 = torch.minimum(uniform_M[:, None] * total_M1, total_M1.nextafter(total_M1 * 0))
    drawn_M = torch.searchsorted(cumulative_MV, drawn_M1, right=True)[:, 0]
    # NaN leads there all the same: what it makes is refused in the end, and an index out of range would end a GPU's process
    return drawn_M.clamp(max=probs_MV.shape[-1] - 1)


def draw_normal(like: Tensor, randomness: Randomness) -> Tensor:
    """Return standard normal noise."""
    return _draw(lambda t, g: t.normal_(0, 1, generator=g), like, randomness)


def draw_gumbel(like_BN: Tensor, randomness: Randomness) -> Tensor:
    """Return standard Gumbel noise."""
    uniform_BN = _draw(lambda t, g: t.uniform_(0, 1, generator=g), like_BN, randomness)
    return -(-uniform_BN.clamp(SMALLEST).log()).clamp(SMALLEST).log()


@dataclass(frozen=True)
class Schedule:
    """How many tokens stay unknown after each of ``steps`` steps, and how random the choice of them is."""

    steps: int
    kind: str = "cosine"
    temperature: tuple[float, float] = (2.0, 0.0)

    def ratio_before(self, step: int) -> float:
        """Fraction of the tokens to sample that is still unknown before ``step``: 1 before step 0."""
        return float(self._ratio(step))

    def unknown_after(self, step: int, length: int, start_ratio_B: Tensor) -> Tensor:
        """Tokens [B] that the schedule leaves unknown after ``step``, of ``length`` in all.

        ``start_ratio_B`` is the part that was unknown at first. The arithmetic is the published one, in
        float32: where exact numbers say 32 it may say 31.
        """
        return (length * (start_ratio_B * self._ratio(step + 1).to(start_ratio_B.device))).floor().long()

    def temperature_at(self, step: int) -> float:
        """Scale of the Gumbel noise, linear from the first temperature to the last."""
        return float(torch.linspace(*self.temperature, self.steps, dtype=torch.float32)[step])

    def steps_at(self, ratio_B: Tensor) -> list[int]:
        """The last step of each sample before which at least ``ratio_B`` is unknown: where sampling is with so much left."""
        ratios = torch.stack([self._ratio(step) for step in range(self.steps + 1)]).to(ratio_B.device)
        return ((ratios >= ratio_B[:, None]).sum(dim=1) - 1).tolist()

    def _ratio(self, step: int) -> Tensor:
        progress = torch.tensor(step, dtype=torch.float32) / self.steps
        return torch.cos(progress * math.pi / 2) if self.kind == "cosine" else 1 - progress


def least_confident(
    probs_BN: Tensor, unknown_BN: Tensor, count_B: Tensor, temperature: float, randomness: Randomness
) -> Tensor:
    """Choose ``count_B`` of the unknown tokens to mask again: those with the lowest noisy log probability.

    At least one and at most all but one are chosen, so every step commits something and leaves something; a
    sample with nothing unknown is left alone.
    """
    confidence_BN = probs_BN.clamp(SMALLEST).log() + temperature * draw_gumbel(probs_BN, randomness)
    confidence_BN = confidence_BN.masked_fill(~unknown_BN, torch.inf)
    count_B = torch.minimum(count_B, unknown_BN.sum(dim=1) - 1).clamp(min=1)
    cutoff_B1 = confidence_BN.sort(dim=1).values.gather(1, count_B[:, None])
    return (confidence_BN < cutoff_B1) & unknown_BN
