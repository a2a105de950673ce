"""Train the pixel codec: a diffusers ``VQModel`` with a codebook that stays alive.

diffusers' quantiser takes the nearest code by plain L2 and trains it by gradient, which collapses on small data.
Here codes and latents lie on a sphere while training. The model first learns without quantisation, then the
codebook starts as a k-means of its latents, follows the mean of the latents assigned to each code, and a code that
nobody uses is moved onto a latent. Among codes of one length the nearest by L2 is the nearest by angle, whatever a
latent's length, so the released class at inference picks the same codes.

An editor copies the codes of what stays, so codes must not depend on what changes elsewhere in the picture, although
group norms see all of it: a pair's latents are pulled together where source and target agree.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from diffusers.models.autoencoders.vq_model import VQModel
from lightning import LightningModule
from torch import Tensor
from torch.nn import functional as F

from editmgt.codec import fold, unfold
from editmgt.training.schedule import warmup_then_decay

_KMEANS_ROUNDS = 10
_DEAD = 0.05  # a code whose running count of assigned latents a step falls below this is moved


class CodecModule(LightningModule):
    """Reconstruction, commitment and locality loss for a VQModel.

    Args:
        vqvae: the model to train.
        optimizer: given parameters, makes the optimiser.
        warmup_steps: steps of linear warm-up; afterwards the learning rate decays linearly to zero.
        continuous_steps: first steps, which run without quantisation.
        commitment: weight of the commitment loss.
        locality: weight of the distance between a pair's latents where its pictures agree.
        codebook_decay: decay of the running means that codes follow.
    """

    usage: Tensor
    latent_sums: Tensor

    def __init__(
        self,
        vqvae: VQModel,
        optimizer: Callable[[Iterable[Tensor]], torch.optim.Optimizer],
        warmup_steps: int = 50,
        continuous_steps: int = 800,
        commitment: float = 0.25,
        locality: float = 0.25,
        codebook_decay: float = 0.97,
    ) -> None:
        super().__init__()
        self.vqvae = vqvae
        self.make_optimizer = optimizer
        self.warmup_steps, self.continuous_steps = warmup_steps, continuous_steps
        self.commitment, self.locality, self.codebook_decay = commitment, locality, codebook_decay
        _start_as_identity(vqvae)
        codebook = vqvae.quantize.embedding.weight
        codebook.requires_grad_(False)
        self.register_buffer("usage", torch.ones(len(codebook)))
        self.register_buffer("latent_sums", codebook.clone())

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """One step on ``batch["pixels"]`` [B, 3, H, W] in [0, 1]: sources and targets in turn."""
        latents_BCHW = self.vqvae.quant_conv(self.vqvae.encoder(fold(batch["pixels"], self.vqvae))).float()
        latents_BCHW = self._on_sphere(latents_BCHW, dim=1)
        locality = _disagreement(latents_BCHW, batch["pixels"])
        commitment = latents_BCHW.new_zeros(())
        if self.global_step >= self.continuous_steps:
            latents_BCHW, commitment = self._quantize(latents_BCHW)
        decoded = unfold(self.vqvae.decoder(self.vqvae.post_quant_conv(latents_BCHW)).float(), self.vqvae)
        loss = F.smooth_l1_loss(decoded, batch["pixels"], beta=0.05)
        loss = loss + self.commitment * commitment + self.locality * locality
        self.log_dict(
            {
                "train/loss": loss,
                "train/psnr": -10 * F.mse_loss(decoded.detach(), batch["pixels"]).log10(),
                "train/locality": locality,
                "train/used_codes": (self.usage > 0.5).float().sum(),
            },
            prog_bar=True,
        )
        return loss

    def _on_sphere(self, vectors: Tensor, dim: int) -> Tensor:
        return F.normalize(vectors, dim=dim) * vectors.shape[dim] ** 0.5

    def _quantize(self, latents_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Latents with their codes' values and the encoder's gradient, and the commitment loss."""
        latents_BHWC = latents_BCHW.movedim(1, -1)
        flat = latents_BHWC.reshape(-1, latents_BHWC.shape[-1])
        if self.global_step == self.continuous_steps:
            self._start_codebook(flat.detach())
        codes = (flat.detach() @ self.vqvae.quantize.embedding.weight.T).argmax(dim=1)
        chosen = self.vqvae.quantize.embedding(codes)
        self._update_codebook(flat.detach(), codes)
        straight_through = flat + (chosen - flat).detach()
        return straight_through.view_as(latents_BHWC).movedim(-1, 1), F.mse_loss(flat, chosen)

    def _start_codebook(self, flat: Tensor) -> None:
        size = len(self.usage)
        codebook = flat[torch.randint(len(flat), (size,), device=flat.device)]
        for _ in range(_KMEANS_ROUNDS):
            codes = (flat @ codebook.T).argmax(dim=1)
            sums = torch.zeros_like(codebook).index_add_(0, codes, flat)
            counts = torch.bincount(codes, minlength=size)
            spare = flat[torch.randint(len(flat), (size,), device=flat.device)]
            codebook = self._on_sphere(torch.where((counts > 0)[:, None], sums, spare), dim=1)
        self.vqvae.quantize.embedding.weight.copy_(codebook)
        self.usage.fill_(1.0)
        self.latent_sums.copy_(codebook)

    @torch.no_grad()
    def _update_codebook(self, flat: Tensor, codes: Tensor) -> None:
        counts = torch.bincount(codes, minlength=len(self.usage)).to(flat.dtype)
        sums = torch.zeros_like(self.latent_sums).index_add_(0, codes, flat)
        self.usage.lerp_(counts, 1 - self.codebook_decay)
        self.latent_sums.lerp_(sums, 1 - self.codebook_decay)
        dead = self.usage < _DEAD
        self.usage[dead] = 1.0
        self.latent_sums[dead] = flat[torch.randint(len(flat), (int(dead.sum()),), device=flat.device)]
        self.vqvae.quantize.embedding.weight.copy_(self._on_sphere(self.latent_sums, dim=1))

    def configure_optimizers(self) -> Any:
        """The optimiser over everything but the codebook, with its schedule."""
        optimizer = self.make_optimizer([p for p in self.parameters() if p.requires_grad])
        return warmup_then_decay(optimizer, self.warmup_steps, int(self.trainer.estimated_stepping_batches))


def _disagreement(latents_BCHW: Tensor, pixels_B3HW: Tensor) -> Tensor:
    """Mean squared distance of a pair's latents over the codes that lie outside what differs between its pictures."""
    differs_B1HW = (pixels_B3HW[::2] != pixels_B3HW[1::2]).any(dim=1, keepdim=True).float()
    near_B1HW = F.adaptive_max_pool2d(differs_B1HW, latents_BCHW.shape[-2:])
    same_BHW = F.max_pool2d(near_B1HW, 3, stride=1, padding=1)[:, 0] == 0
    distance_BHW = (latents_BCHW[::2] - latents_BCHW[1::2]).square().mean(dim=1)
    return (distance_BHW * same_BHW).sum() / same_BHW.sum().clamp(min=1)


def _start_as_identity(vqvae: VQModel) -> None:
    """Silence the residual branches at first: the plain path learns the colours, the branches then refine it."""
    for name, layer in vqvae.named_modules():
        if name.endswith("conv2"):
            torch.nn.init.zeros_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
