"""The editing loop on codes: predict, sample, hold, commit the confident part, repeat.

Shapes: B batch, V codebook, N = H*W codes, M unknown codes, h w cells, T text tokens, S steps, L recorded layers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from editmgt.editing.hold import held_tokens, scores_at_codes
from editmgt.editing.localization import layer_maps, localize, of_rows
from editmgt.editing.sampler import Randomness, Schedule, draw_codes, least_confident
from editmgt.editing.settings import EditSettings
from editmgt.errors import UserError
from editmgt.finite import all_finite
from editmgt.model import MGTransformer
from editmgt.text import TextStates

TIMESTEP_CONVENTIONS = ("step_index", "mask_ratio")

# One tensor with a leading batch dimension, or, for pictures of several working sizes, one tensor per sample.
# Indexing by sample works either way.
PerSample = Tensor | list[Tensor]


@dataclass(frozen=True)
class Step:
    """State after one step, per sample.

    Attributes:
        tokens: [B,H,W], the mask id where still unknown.
        localization: this step's map [B,h,w].
        held: [B,H,W], what the hold rule has decided for good so far.
    """

    tokens: PerSample
    localization: PerSample
    held: PerSample


@dataclass(frozen=True)
class TokenEdit:
    """A finished edit in codes.

    Attributes:
        tokens: [B,H,W].
        localization: [B,h,w] in [0, 1], the mean over steps.
        held: [B,H,W] bool, tokens that the hold rule decided when they were committed for good.
        changed: [B,H,W] bool, tokens other than the reference's.
        trace: every step, when asked for.
        layer_maps: [B,S,L,h,w], the raw text-to-image attention of the layers that were recorded.
    """

    tokens: Tensor
    localization: Tensor
    held: Tensor
    changed: Tensor
    trace: list[Step]
    layer_maps: Tensor


@torch.inference_mode()
def edit_tokens(
    transformer: MGTransformer,
    reference_BHW: Tensor,
    text: TextStates,
    negative: TextStates,
    settings: EditSettings,
    *,
    micro_conditions_B5: Tensor,
    randomness: Randomness,
    timestep_convention: str = "step_index",
    may_change_BHW: Tensor | None = None,
    rows_BT: Tensor | None = None,
    trace: bool = False,
    record_layers: Sequence[int] = (),
    on_step: Callable[[], None] = lambda: None,
) -> TokenEdit:
    """Edit the codes of pictures of one size.

    Args:
        transformer: in eval mode.
        reference_BHW: codes of the pictures to edit.
        text: states of the instructions.
        negative: states of the negative prompts; unused where ``guidance_scale`` is at most 1.
        settings: valid for this transformer.
        micro_conditions_B5: width, height, crop top, crop left, aesthetic score.
        randomness: one generator for the batch (published order of numbers) or one per sample.
        timestep_convention: ``step_index`` counts the steps that follow; ``mask_ratio`` is the fraction of
            tokens that is unknown before the step.
        may_change_BHW: where False the reference's code is known from the start (inpainting); None: all may.
        rows_BT: text rows that the maps are made of, bool; None: all of them.
        trace: keep every step.
        record_layers: blocks whose raw maps are kept, in this order, whatever the hold rule reads.
        on_step: called after every step.

    Raises:
        UserError: for logits or maps that are not finite; it is seen at the end, so that no step waits for the device.
    """
    batch, height, width = reference_BHW.shape
    mask_id, length = transformer.mask_token_id, height * width
    grid = (height // transformer.cell_size, width // transformer.cell_size)
    schedule = Schedule(settings.steps, settings.schedule, settings.temperature)
    layers = tuple(dict.fromkeys((*settings.map_layers, *record_layers)))
    predict = _Predictor(transformer, reference_BHW, text, negative, settings, micro_conditions_B5, layers)

    if may_change_BHW is None:
        may_change_BHW = torch.ones_like(reference_BHW, dtype=torch.bool)
    start_ratio_B = may_change_BHW.sum(dim=(1, 2)) / length
    tokens_BHW = reference_BHW.masked_fill(may_change_BHW, mask_id)
    held_BHW = torch.zeros_like(may_change_BHW)
    localization_Bhw = torch.zeros(batch, *grid, device=reference_BHW.device)
    steps: list[Step] = []
    finite_S: list[Tensor] = []
    recorded_BSLhw = torch.zeros(
        batch, settings.steps, len(record_layers), *grid, device=reference_BHW.device
    )

    for step in range(settings.steps):
        last = step == settings.steps - 1
        unknown_BHW = tokens_BHW == mask_id
        if timestep_convention == "step_index":
            timestep_B = torch.full((batch,), settings.steps - 1 - step, device=tokens_BHW.device)
        else:
            timestep_B = start_ratio_B * schedule.ratio_before(step)

        logits_MV, attention = predict(tokens_BHW, timestep_B, unknown_BHW)
        finite_S.append(all_finite(logits_MV))
        if rows_BT is not None:
            attention = of_rows(attention, rows_BT)
        map_Bhw = localize(attention, settings.map_layers, grid, settings.map_smoothing)
        localization_Bhw += map_Bhw / settings.steps
        if record_layers:
            recorded_BSLhw[:, step] = layer_maps(attention, record_layers, grid).transpose(0, 1)

        probs_MV = logits_MV.softmax(dim=-1)
        drawn_M = draw_codes(probs_MV, unknown_BHW.flatten(1), randomness)
        tokens_BHW = tokens_BHW.masked_scatter(unknown_BHW, drawn_M)
        holds_BHW = torch.zeros_like(unknown_BHW)
        if settings.region_hold:
            scores_BHW = scores_at_codes(map_Bhw, height, width)
            holds_BHW = held_tokens(scores_BHW, unknown_BHW, settings.hold_threshold)
            tokens_BHW = torch.where(holds_BHW, reference_BHW, tokens_BHW)
        if not last:
            probs_M = probs_MV.gather(-1, tokens_BHW[unknown_BHW][:, None])[:, 0]
            remasked_BHW = least_confident(
                torch.zeros_like(unknown_BHW, dtype=probs_M.dtype)
                .masked_scatter(unknown_BHW, probs_M)
                .flatten(1),
                unknown_BHW.flatten(1),
                schedule.unknown_after(step, length, start_ratio_B),
                schedule.temperature_at(step),
                randomness,
            ).view_as(tokens_BHW)
            tokens_BHW = tokens_BHW.masked_fill(remasked_BHW, mask_id)
            holds_BHW = holds_BHW & ~remasked_BHW
        held_BHW = held_BHW | holds_BHW
        if trace:
            steps.append(Step(tokens_BHW, map_Bhw, held_BHW))
        on_step()

    finite_S.append(all_finite(localization_Bhw))
    if not all(finite := torch.stack(finite_S).tolist()):
        first = finite.index(False)
        what = "attention map" if first == settings.steps else f"transformer's logits in step {first + 1}"
        raise UserError(
            f"NaN or infinite: the {what}. Settings may be out of its range (guidance_scale, reference_strength, a "
            "dtype of float16), or its weights are broken."
        )
    changed_BHW = tokens_BHW != reference_BHW
    return TokenEdit(tokens_BHW, localization_Bhw, held_BHW, changed_BHW, steps, recorded_BSLhw)


class _Predictor:
    """The transformer under classifier-free guidance, with all that stays the same between steps bound."""

    def __init__(
        self,
        transformer: MGTransformer,
        reference_BHW: Tensor,
        text: TextStates,
        negative: TextStates,
        settings: EditSettings,
        micro_conditions_B5: Tensor,
        attention_layers: tuple[int, ...],
    ) -> None:
        self.transformer, self.settings, self.attention_layers = transformer, settings, attention_layers
        self.guided = settings.guidance_scale > 1
        self.batch = len(reference_BHW)
        if self.guided:
            text = TextStates(*(torch.cat(pair) for pair in zip(negative, text, strict=True)))
        self.text = text
        self.reference = self._twice(reference_BHW)
        self.micro_conditions = self._twice(micro_conditions_B5)

    def __call__(
        self, tokens_BHW: Tensor, timestep_B: Tensor, unknown_BHW: Tensor
    ) -> tuple[Tensor, dict[int, Tensor]]:
        """Return the unknown codes' guided logits [M,V] in float32, and the conditional half's maps {layer: [B,T,cells]}."""
        output = self.transformer(
            self._twice(tokens_BHW),
            self.text.states_BTD,
            self.text.pooled_BP,
            self._twice(timestep_B),
            self.micro_conditions,
            reference_tokens=self.reference,
            reference_strength=self.settings.reference_strength,
            reference_strength_scope=self.settings.reference_strength_scope,
            attention_layers=self.attention_layers,
            logits_at=self._twice(unknown_BHW),
        )
        logits = output.logits.float()
        if self.guided:
            unconditional, conditional = logits.chunk(2)
            logits = unconditional + self.settings.guidance_scale * (conditional - unconditional)
        return logits, {layer: maps[-self.batch :] for layer, maps in output.attention.items()}

    def _twice(self, tensor: Tensor) -> Tensor:
        """Repeat for the unconditional half, which comes first."""
        return torch.cat([tensor, tensor]) if self.guided else tensor
