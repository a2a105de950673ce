"""Editing codes: a first pass where hold asks for one, then the steps, fewer for a smaller edit where that was chosen.

A flow's steps are another loop's.

Shapes: B batch, H W codes, T text tokens.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields

import torch
from torch import Tensor

from editmgt.editing.flow import Flow
from editmgt.editing.loop import Loop, Start, Step, TokenEdit, share
from editmgt.editing.maps import CodeMaps
from editmgt.editing.predictor import Predictor
from editmgt.editing.sampler import Randomness
from editmgt.editing.settings import EditSettings
from editmgt.errors import UserError
from editmgt.finite import all_finite
from editmgt.model import MGTransformer
from editmgt.text import TextStates


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
    codebook_KC: Tensor | None = None,
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
        codebook_KC: a flow's: what the codes stand for, as it reads and predicts them.
        may_change_BHW: where False the reference's code is known from the start (inpainting); None: all may.
        rows_BT: text rows that the maps are made of, bool; None: all of them.
        trace: keep every step.
        record_layers: blocks whose raw maps are kept, in this order, whatever the hold rule reads.
        record_sources: of ``settings.code_sources``, whose maps are kept likewise.
        on_step: called after every step.

    Raises:
        UserError: for logits or maps that are not finite; it is seen at the end, so that no step waits for the device.
    """
    if may_change_BHW is None:
        may_change_BHW = torch.ones_like(reference_BHW, dtype=torch.bool)
    read = reference_BHW if codebook_KC is None else codebook_KC[reference_BHW]
    predict = Predictor(transformer, read, text, negative, settings, micro_conditions_B5, rows_BT)
    if codebook_KC is not None:
        flow = Flow(settings, codebook_KC, transformer.cell_size, trace, record_layers, on_step)
        edit, finite = flow.edit(predict, reference_BHW, may_change_BHW, randomness), flow.finite
    else:
        start = Start(
            predict,
            CodeMaps((settings.map_source, *record_sources), reference_BHW),
            may_change_BHW,
            torch.zeros_like(may_change_BHW),
            randomness,
        )
        loop = Loop(
            settings,
            transformer.cell_size,
            transformer.mask_token_id,
            timestep_convention,
            trace,
            record_layers,
            record_sources,
            on_step,
        )
        edit, finite = _masked_edit(loop, start), loop.finite

    finite = finite | {"attention map": all_finite(edit.localization)}
    for what, is_finite in zip(finite, torch.stack([*finite.values()]).tolist(), strict=True):
        if not is_finite:
            raise UserError(
                f"NaN or infinite: the {what}. Settings may be out of its range (guidance_scale, reference_strength, a "
                "dtype of float16), or its weights are broken."
            )
    return edit


def _masked_edit(loop: Loop, start: Start) -> TokenEdit:
    if loop.settings.holds and loop.settings.hold_when == "first_pass":
        start = loop.first_pass(start)
    if not loop.settings.matched_steps:
        return loop.steps(start)
    parts = [
        (rows, loop.steps(start.of(rows), first))
        for first, rows in _by_first_step(loop, start.may_change_BHW)
    ]
    return _together(parts)


def _by_first_step(loop: Loop, unknown_BHW: Tensor) -> Iterator[tuple[int, list[int]]]:
    """Sort the samples by the step that the schedule is at when so much is unknown; each has a step at least."""
    first_B = [min(step, loop.settings.steps - 1) for step in loop.schedule.steps_at(share(unknown_BHW))]
    for first in sorted(set(first_B)):
        yield first, [row for row, own in enumerate(first_B) if own == first]


def _together(parts: list[tuple[list[int], TokenEdit]]) -> TokenEdit:
    """Join edits of some samples each; one of fewer steps stays as it was after its last."""
    if len(parts) == 1:
        return parts[0][1]
    place_B = torch.tensor([row for rows, _ in parts for row in rows]).argsort()
    edits = [edit for _, edit in parts]

    def join(tensors: list[Tensor]) -> Tensor:
        return torch.cat(tensors)[place_B.to(tensors[0].device)]

    def join_steps(tensors: list[Tensor]) -> Tensor:
        longest = max(tensor.shape[1] for tensor in tensors)
        numbers = torch.arange(longest, device=tensors[0].device)
        return join([tensor[:, numbers.clamp(max=tensor.shape[1] - 1)] for tensor in tensors])

    def step(number: int) -> Step:
        own = [edit.step(number) for edit in edits]
        parts = ([getattr(part, field.name) for part in own] for field in fields(Step))
        return Step(*(join(tensors) for tensors in parts))

    return TokenEdit(
        join([edit.tokens for edit in edits]),
        join([edit.localization for edit in edits]),
        join([edit.held for edit in edits]),
        join([edit.changed for edit in edits]),
        [step(number) for number in range(max(len(edit.trace) for edit in edits))],
        join_steps([edit.layer_maps for edit in edits]),
        {source: join_steps([edit.code_maps[source] for edit in edits]) for source in edits[0].code_maps},
        [steps for _, steps in sorted((row, edit.steps_B[0]) for rows, edit in parts for row in rows)],
    )
