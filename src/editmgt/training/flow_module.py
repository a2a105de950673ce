"""The LightningModule of the editor that the masked one is compared with: a rectified flow between noise and latents.

Liu et al. 2022 and Esser et al. 2024: a point on the straight line from a target to noise, at noise level s, is
(1 - s) target + s noise, and the velocity noise - target is learnt from it. Trunk, text encoder, source and data are the
masked editor's.

Shapes: B batch, G the step's global batch, K codebook, C latent channels, H W code grid.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from editmgt.training.editor_module import EditorModule
from editmgt.training.masking import draw_drops


def draw_noise(generator: torch.Generator, batch: int, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Draw noise [batch, *shape] and its level [batch] in (0, 1), logit-normal as of Stable Diffusion 3 (Esser et al. 2024)."""
    level_B = torch.randn(batch, generator=generator, dtype=torch.float32).sigmoid()
    return torch.randn(batch, *shape, generator=generator, dtype=torch.float32), level_B


class FlowModule(EditorModule):
    """Predict the velocity of noisy latents of the target from the instruction and the source's latents.

    Batches are those of :class:`EditorModule`, and noise is drawn for the whole of a global batch, as masks are there.

    Args:
        codebook_KC: what the codes stand for, standardised.
        arguments: of :class:`EditorModule`.
    """

    codebook_KC: Tensor

    def __init__(self, *arguments: Any, codebook_KC: Tensor, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.register_buffer("codebook_KC", codebook_KC, persistent=False)

    def dev_sums(self, batch: dict[str, Tensor]) -> Tensor:
        """Return [the squared error summed over a dev batch's samples, their number]; nothing is dropped."""
        shape = (*batch["target_tokens"].shape[1:], self.codebook_KC.shape[1])
        drawn = [
            draw_noise(torch.Generator().manual_seed(sample), 1, shape) for sample in batch["sample"].tolist()
        ]
        noise_BHWC, level_B = (torch.cat(part).to(self.device) for part in zip(*drawn, strict=True))
        no_drop_B = torch.zeros(len(level_B), dtype=torch.bool, device=self.device)
        error_B = self._errors(batch, noise_BHWC, level_B, no_drop_B)
        return torch.stack([error_B[batch["counted"]].sum(), batch["counted"].sum()])

    def _loss(self, batch: dict[str, Tensor], generator: torch.Generator) -> Tensor:
        size, index_B = int(batch["global_size"]), batch["index"].cpu()
        shape = (*batch["target_tokens"].shape[1:], self.codebook_KC.shape[1])
        noise_GHWC, level_G = draw_noise(generator, size, shape)
        drop_G = draw_drops(generator, size, self.recipe.condition_dropout)
        own = (noise_GHWC[index_B], level_G[index_B], drop_G[index_B])
        return self._errors(batch, *(drawn.to(self.device) for drawn in own)).mean()

    def _errors(
        self, batch: dict[str, Tensor], noise_BHWC: Tensor, level_B: Tensor, drop_B: Tensor
    ) -> Tensor:
        """The mean squared error [B] of each sample's velocity."""
        target_BHWC = self.codebook_KC[batch["target_tokens"]]
        source = batch.get("source_tokens")
        noisy_BHWC = torch.lerp(target_BHWC, noise_BHWC, level_B.view(-1, 1, 1, 1))
        velocity_BCHW = self(
            noisy_BHWC,
            self._text(batch, drop_B),
            level_B,
            None if source is None else self.codebook_KC[source],
        )
        wanted_BCHW = (noise_BHWC - target_BHWC).permute(0, 3, 1, 2)
        return F.mse_loss(velocity_BCHW.float(), wanted_BCHW, reduction="none").mean(dim=(1, 2, 3))
