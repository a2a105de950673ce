"""The transformer under classifier-free guidance, with all that stays the same between passes bound.

Shapes: B batch, V codebook, M unknown codes, N cells, T text tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from editmgt.editing.localization import of_rows
from editmgt.editing.settings import EditSettings
from editmgt.model import MGTransformer
from editmgt.text import TextStates


@dataclass(frozen=True)
class Prediction:
    """What one pass says.

    Attributes:
        logits_MV: of the unknown codes, under guidance where it was asked for, float32.
        conditional_MV: the same given the instruction alone.
        unconditional_MV: given the negative prompt; None where it was not asked for.
        attention: text-to-image maps of the conditional half {layer: [B,T,N]}.
    """

    logits_MV: Tensor
    conditional_MV: Tensor
    unconditional_MV: Tensor | None
    attention: dict[int, Tensor]


class Predictor:
    """Calls the transformer for pictures, instructions and settings that stay.

    Args:
        transformer: in eval mode.
        reference_BHW: codes of the pictures to edit.
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
        self.text = text
        self.both = text
        if settings.guided:
            self.both = TextStates(*(torch.cat(pair) for pair in zip(negative, text, strict=True)))

    def __call__(
        self,
        tokens_BHW: Tensor,
        timestep_B: Tensor,
        unknown_BHW: Tensor,
        attention_layers: Sequence[int],
        guided: bool,
    ) -> Prediction:
        """Predict the unknown codes; ``guided`` (of guided settings alone) adds the unconditional half."""

        def twice(tensor: Tensor) -> Tensor:
            """Repeat for the unconditional half, which comes first."""
            return torch.cat([tensor, tensor]) if guided else tensor

        text = self.both if guided else self.text
        output = self.transformer(
            twice(tokens_BHW),
            text.states_BTD,
            text.pooled_BP,
            twice(timestep_B),
            twice(self.micro_conditions_B5),
            reference_tokens=twice(self.reference_BHW),
            reference_strength=self.settings.reference_strength,
            reference_strength_scope=self.settings.reference_strength_scope,
            attention_layers=attention_layers,
            logits_at=twice(unknown_BHW),
        )
        logits = conditional = output.logits.float()
        unconditional = None
        if guided:
            unconditional, conditional = logits.chunk(2)
            logits = unconditional + self.settings.guidance_scale * (conditional - unconditional)
        attention = {layer: maps[-len(tokens_BHW) :] for layer, maps in output.attention.items()}
        if self.rows_BT is not None:
            attention = of_rows(attention, self.rows_BT)
        return Prediction(logits, conditional, unconditional, attention)
