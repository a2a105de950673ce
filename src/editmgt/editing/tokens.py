"""The editing loop on codes: predict, sample, hold, commit the confident part, repeat.

Shapes: B batch, V codebook, N = H*W codes, M unknown codes, h w cells, T text tokens, S steps, L recorded layers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from editmgt.editing.hold import held_codes
from editmgt.editing.localization import layer_maps, localize
from editmgt.editing.maps import CodeMaps
from editmgt.editing.predictor import Prediction, Predictor
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
        localization: this step's map [B,h,w]; the first pass's where that decided what is held.
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
        localization: [B,h,w] in [0, 1], the mean over steps, or the first pass's where that decided what is held. The
            grid is that of the cells for ``attention`` and that of the codes for other sources.
        held: [B,H,W] bool, tokens that the hold rule decided when they were committed for good, or before the first step.
        changed: [B,H,W] bool, tokens other than the reference's.
        trace: every step, when asked for.
        layer_maps: [B,S,L,h,w], the raw text-to-image attention of the layers that were recorded.
        code_maps: source -> [B,S,H,W], the maps of the sources that were recorded.
    """

    tokens: Tensor
    localization: Tensor
    held: Tensor
    changed: Tensor
    trace: list[Step]
    layer_maps: Tensor
    code_maps: dict[str, Tensor]


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
    record_sources: Sequence[str] = (),
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
        record_sources: of ``settings.code_sources``, whose maps are kept likewise.
        on_step: called after every step.

    Raises:
        UserError: for logits or maps that are not finite; it is seen at the end, so that no step waits for the device.
    """
    batch, height, width = reference_BHW.shape
    mask_id, length, device = transformer.mask_token_id, height * width, reference_BHW.device
    cells = (height // transformer.cell_size, width // transformer.cell_size)
    schedule = Schedule(settings.steps, settings.schedule, settings.temperature)
    predict = Predictor(transformer, reference_BHW, text, negative, settings, micro_conditions_B5, rows_BT)
    code_maps = CodeMaps((settings.map_source, *record_sources), reference_BHW)
    finite: dict[str, Tensor] = {}

    def timestep(step: int, start_ratio_B: Tensor) -> Tensor:
        if timestep_convention == "step_index":
            return torch.full((batch,), settings.steps - 1 - step, device=device)
        return start_ratio_B * schedule.ratio_before(step)

    def make_map(prediction: Prediction) -> Tensor:
        if settings.map_source != "attention":
            return code_maps.scores[settings.map_source]
        return localize(prediction.attention, settings.map_layers, cells, settings.map_smoothing)

    if may_change_BHW is None:
        may_change_BHW = torch.ones_like(reference_BHW, dtype=torch.bool)
    held_BHW = torch.zeros_like(may_change_BHW)
    every_step = not settings.holds or settings.hold_when == "every_step"
    layers = tuple(dict.fromkeys((*settings.map_layers, *record_layers))) if every_step else record_layers
    grid = cells if settings.map_source == "attention" else (height, width)
    map_Bhw = localization_Bhw = torch.zeros(batch, *grid, device=device)
    if not every_step:
        first = predict(
            reference_BHW.masked_fill(may_change_BHW, mask_id),
            timestep(0, may_change_BHW.sum(dim=(1, 2)) / length),
            may_change_BHW,
            settings.map_layers,
            guided="guidance" in code_maps.scores,
        )
        finite["transformer's logits in the first pass"] = all_finite(first.logits_MV)
        code_maps.update(first, may_change_BHW)
        map_Bhw = localization_Bhw = make_map(first)
        held_BHW = may_change_BHW & held_codes(settings, map_Bhw, code_maps.likeliest_BHW)
        may_change_BHW = may_change_BHW & ~held_BHW
        code_maps.forget_all_but(record_sources)

    start_ratio_B = may_change_BHW.sum(dim=(1, 2)) / length
    tokens_BHW = reference_BHW.masked_fill(may_change_BHW, mask_id)
    steps: list[Step] = []
    layers_BSLhw = torch.zeros(batch, settings.steps, len(record_layers), *cells, device=device)
    sources_BSHW = {
        source: torch.zeros(batch, settings.steps, height, width, device=device) for source in record_sources
    }

    for step in range(settings.steps):
        last = step == settings.steps - 1
        unknown_BHW = tokens_BHW == mask_id
        prediction = predict(
            tokens_BHW, timestep(step, start_ratio_B), unknown_BHW, layers, guided=settings.guided
        )
        finite[f"transformer's logits in step {step + 1}"] = all_finite(prediction.logits_MV)
        code_maps.update(prediction, unknown_BHW)
        if every_step:
            map_Bhw = make_map(prediction)
            localization_Bhw = localization_Bhw + map_Bhw / settings.steps
        if record_layers:
            layers_BSLhw[:, step] = layer_maps(prediction.attention, record_layers, cells).transpose(0, 1)
        for source, recorded_BSHW in sources_BSHW.items():
            recorded_BSHW[:, step] = code_maps.scores[source]

        probs_MV = prediction.logits_MV.softmax(dim=-1)
        del prediction  # three times as large, and the next pass needs the room
        drawn_M = draw_codes(probs_MV, unknown_BHW.flatten(1), randomness)
        tokens_BHW = tokens_BHW.masked_scatter(unknown_BHW, drawn_M)
        holds_BHW = torch.zeros_like(unknown_BHW)
        if settings.holds and every_step:
            holds_BHW = unknown_BHW & held_codes(settings, map_Bhw, code_maps.likeliest_BHW)
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

    finite["attention map"] = all_finite(localization_Bhw)
    for what, is_finite in zip(finite, torch.stack([*finite.values()]).tolist(), strict=True):
        if not is_finite:
            raise UserError(
                f"NaN or infinite: the {what}. Settings may be out of its range (guidance_scale, reference_strength, a "
                "dtype of float16), or its weights are broken."
            )
    return TokenEdit(
        tokens_BHW,
        localization_Bhw,
        held_BHW,
        tokens_BHW != reference_BHW,
        steps,
        layers_BSLhw,
        sources_BSHW,
    )
