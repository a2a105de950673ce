"""The transformer under classifier-free guidance, with all that stays the same between passes bound.

Shapes: B batch, V codebook, M unknown codes, N cells, T text tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from editmgt.editing.attention_map import of_rows
from editmgt.editing.settings import EditSettings
from editmgt.model import MGTransformer
from editmgt.model.embeddings import side_by_side
from editmgt.model.memory import ActiveCells, Memory
from editmgt.text import TextStates


@dataclass(frozen=True)
class Prediction:
    """What one pass says.

    Attributes:
        logits_MV: of the unknown codes, under guidance where it was asked for, float32; of a flow, velocities.
        conditional_MV: the same given the instruction alone; None where both halves were not asked for.
        unconditional_MV: given the negative prompt, likewise; None without guidance, too.
        attention: text-to-image maps of the conditional half {layer: [B,T,N]}.
    """

    logits_MV: Tensor
    conditional_MV: Tensor | None
    unconditional_MV: Tensor | None
    attention: dict[int, Tensor]


class Predictor:
    """Calls the transformer for pictures, instructions and settings that stay.

    With ``settings.reuse`` it keeps keys and values between passes, and computes those alone that a pass needs; those of a
    reference that attends to itself alone never change, and are kept in any case.

    Args:
        transformer: in eval mode.
        reference_BHW: codes of the pictures to edit; of a flow, their latents [B,H,W,C].
        text: states of the instructions.
        negative: states of the negative prompts.
        settings: of the edit.
        micro_conditions_B5: as the transformer takes them.
        rows_BT: text rows that attention maps are made of, bool; None: all of them.
    """

    def __init__(
        self,
        transformer: MGTransformer,
        reference_BHW: Tensor,
        text: TextStates,
        negative: TextStates,
        settings: EditSettings,
        micro_conditions_B5: Tensor,
        rows_BT: Tensor | None,
    ) -> None:
        self.transformer, self.settings, self.rows_BT = transformer, settings, rows_BT
        self.reference_BHW, self.micro_conditions_B5 = reference_BHW, micro_conditions_B5
        self.text, self.negative = text, negative
        self.both = text
        if settings.guided:
            self.both = TextStates(*(torch.cat(pair) for pair in zip(negative, text, strict=True)))
        self._kept_exactly = settings.reference_attends == "itself" and settings.reuse != "known"
        self._keeps = self._kept_exactly or settings.reuse != "nothing"
        self._memory = Memory()
        # samples that the memory is of: none yet, B, or 2 B, the unconditional half first
        self._remembered = 0
        self._age = 0  # passes since everything was computed
        self._seen_BHW = reference_BHW  # the tokens that the memory is of

    def __call__(
        self,
        tokens_BHW: Tensor,
        timestep_B: Tensor,
        unknown_BHW: Tensor,
        attention_layers: Sequence[int],
        guided: bool,
        halves: bool,
    ) -> Prediction:
        """Predict the unknown codes.

        ``guided`` (of guided settings alone) adds the unconditional half; ``halves``: whether what each half says is wanted
        too.
        """
        times = 2 if guided else 1

        def each(tensor: Tensor) -> Tensor:
            """Repeat for the unconditional half, which comes first."""
            return torch.cat([tensor, tensor]) if guided else tensor

        active = self._active(tokens_BHW, unknown_BHW, times)
        text = self.both if guided else self.text
        output = self.transformer(
            each(tokens_BHW),
            text.states_BTD,
            text.pooled_BP,
            each(timestep_B),
            each(self.micro_conditions_B5),
            reference_tokens=each(self.reference_BHW),
            reference_strength=self.settings.reference_strength,
            reference_strength_scope=self.settings.reference_strength_scope,
            reference_attends=self.settings.reference_attends,
            attention_layers=attention_layers,
            logits_at=each(unknown_BHW),
            guidance_scale=self.settings.guidance_scale if guided and not halves else None,
            memory=self._memory if self._keeps else None,
            active=active,
        )
        logits = output.logits.float()
        conditional = unconditional = None
        if halves:
            conditional = logits
        if halves and guided:
            unconditional, conditional = logits.chunk(2)
            logits = unconditional + self.settings.guidance_scale * (conditional - unconditional)
        attention = {layer: maps[-len(tokens_BHW) :] for layer, maps in output.attention.items()}
        if self.rows_BT is not None:
            attention = of_rows(attention, self.rows_BT)
        return Prediction(logits, conditional, unconditional, attention)

    def of(self, rows: list[int]) -> "Predictor":
        """The same for some samples alone, in their order, with what is remembered of them."""
        part = Predictor(
            self.transformer,
            self.reference_BHW[rows],
            TextStates(*(states[rows] for states in self.text)),
            TextStates(*(states[rows] for states in self.negative)),
            self.settings,
            self.micro_conditions_B5[rows],
            None if self.rows_BT is None else self.rows_BT[rows],
        )
        halves = self._remembered // len(self.reference_BHW)
        part._memory = self._memory.of(
            [half * len(self.reference_BHW) + row for half in range(halves) for row in rows]
        )
        part._remembered, part._age, part._seen_BHW = halves * len(rows), self._age, self._seen_BHW[rows]
        return part

    def _active(self, tokens_BHW: Tensor, unknown_BHW: Tensor, times: int) -> ActiveCells | None:
        """The cells that this pass computes; None: everything, for the first time or once more."""
        if not self._keeps:
            return None
        samples, before = times * len(tokens_BHW), self._remembered
        # codes have no channels, latents have some
        other_BHW = (tokens_BHW != self._seen_BHW).view(*unknown_BHW.shape, -1).any(dim=-1)
        changed_BHW = unknown_BHW | other_BHW
        self._seen_BHW, self._remembered = tokens_BHW, samples
        self._age += 1
        stale = self._age >= self.settings.refresh and not self._kept_exactly
        if before < samples or stale:
            self._memory, self._age = Memory(), 0
            return None
        if before > samples:  # no unconditional half any more
            self._memory = self._memory.of_last(samples)
        active_BN = side_by_side(changed_BHW, self.transformer.cell_size).any(dim=-1)
        if self.settings.reuse != "known":
            active_BN = torch.ones_like(active_BN)
        return ActiveCells.of(active_BN).repeat(times)
