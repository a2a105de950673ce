"""The edit of a rectified flow, to compare with: from noise along predicted velocities to the nearest codes.

Hold and masks keep latents on the straight line between the source and the noise the edit began with (blended latents,
Avrahami et al. 2023), so that what is kept ends as the source's own codes.

Shapes: B batch, H W codes, C latent channels, K codebook, h w cells, S steps, L recorded layers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from torch import Tensor

from editmgt.codec import nearest_codes
from editmgt.editing.attention_map import layer_maps, localize
from editmgt.editing.hold import held_codes
from editmgt.editing.loop import Step, TokenEdit
from editmgt.editing.predictor import Predictor
from editmgt.editing.sampler import Randomness, draw_normal
from editmgt.editing.settings import EditSettings
from editmgt.finite import all_finite


@dataclass(frozen=True)
class Flow:
    """The passes of an edit.

    Attributes:
        settings: valid for the transformer.
        codebook_KC: what the codes stand for, standardised.
        cell_size: codes along one side of a cell.
        trace: keep every step.
        record_layers: whose maps are kept.
        on_step: called after every step.
        finite: whether the tensors of each pass are finite, by what they are: looked at in the end.
    """

    settings: EditSettings
    codebook_KC: Tensor
    cell_size: int
    trace: bool
    record_layers: Sequence[int]
    on_step: Callable[[], None]
    finite: dict[str, Tensor] = field(default_factory=dict)

    def edit(
        self, predict: Predictor, reference_BHW: Tensor, may_change_BHW: Tensor, randomness: Randomness
    ) -> TokenEdit:
        """Edit pictures with these codes; ``predict`` takes latents [B,H,W,C] and predicts velocities."""
        settings, numbers = self.settings, range(self.settings.steps)
        scheduler = FlowMatchEulerDiscreteScheduler()
        # its own choice of levels spends the last step on the last thousandth of the noise
        levels = np.linspace(1, 1 / settings.steps, settings.steps)
        scheduler.set_timesteps(sigmas=levels.tolist(), device=reference_BHW.device)
        reference_BHWC = self.codebook_KC[reference_BHW]
        noise_BHWC = draw_normal(reference_BHWC, randomness)
        every_step = not (settings.holds and settings.hold_when == "first_pass")
        cells = (reference_BHW.shape[1] // self.cell_size, reference_BHW.shape[2] // self.cell_size)

        latents_BHWC = noise_BHWC
        holds_BHW = torch.zeros_like(may_change_BHW)
        maps: list[Tensor] = []
        layers_BSLhw = noise_BHWC.new_zeros(len(noise_BHWC), len(numbers), len(self.record_layers), *cells)
        trace: list[Step] = []
        for step in numbers:
            decides = every_step or step == 0
            read = (*settings.map_layers, *self.record_layers) if decides else self.record_layers
            velocity_BHWC, attention = self._velocity(
                predict, latents_BHWC, scheduler.sigmas[step], read, step
            )
            if decides:
                maps.append(localize(attention, settings.map_layers, cells, settings.map_smoothing))
                if settings.holds:
                    unasked_BHW = torch.zeros_like(may_change_BHW)
                    holds_BHW = may_change_BHW & held_codes(settings, maps[-1], unasked_BHW)
            if self.record_layers:
                layers_BSLhw[:, step] = layer_maps(attention, self.record_layers, cells).transpose(0, 1)

            free_BHW, level = may_change_BHW & ~holds_BHW, scheduler.sigmas[step + 1]
            kept_BHWC = torch.lerp(reference_BHWC, noise_BHWC, level)
            moved_BHWC = scheduler.step(velocity_BHWC, scheduler.timesteps[step], latents_BHWC).prev_sample
            latents_BHWC = torch.where(free_BHW[..., None], moved_BHWC, kept_BHWC)
            if self.trace or step == numbers[-1]:
                found_BHW = nearest_codes(latents_BHWC - level * velocity_BHWC, self.codebook_KC)
                tokens_BHW = torch.where(free_BHW, found_BHW, reference_BHW)
                trace.append(Step(tokens_BHW, maps[-1], holds_BHW))
            self.on_step()
        return TokenEdit(
            tokens_BHW,
            torch.stack(maps).mean(dim=0),
            holds_BHW,
            tokens_BHW != reference_BHW,
            trace if self.trace else [],
            layers_BSLhw,
            {},
            [len(numbers)] * len(tokens_BHW),
        )

    def _velocity(
        self, predict: Predictor, latents_BHWC: Tensor, level: Tensor, layers: Sequence[int], step: int
    ) -> tuple[Tensor, dict[int, Tensor]]:
        prediction = predict(
            latents_BHWC,
            level.expand(len(latents_BHWC)),
            torch.ones(latents_BHWC.shape[:3], dtype=torch.bool, device=latents_BHWC.device),
            tuple(dict.fromkeys(layers)),
            guided=self.settings.guided_at(step),
            halves=False,
        )
        self.finite[f"transformer's velocities in step {step + 1}"] = all_finite(prediction.logits_MV)
        return prediction.logits_MV.view_as(latents_BHWC), prediction.attention
