"""Train the decoder of a finished codec: pictures gain, and every code stays what it was to the editors that learned it."""

import torch
from torch import Tensor
from torch.nn import functional as F

from editmgt.codec import Codec, unfold
from editmgt.metrics.image import psnr
from editmgt.training.learner import Learner
from editmgt.training.optimizers import MakeOptimizer


class DecoderModule(Learner):
    """Lowers the squared error of a codec's round trip; encoder and codebook are frozen."""

    def __init__(self, codec: Codec, optimizer: MakeOptimizer, warmup_steps: int = 50) -> None:
        super().__init__(optimizer, warmup_steps)
        self.codec = codec.train().requires_grad_(False)
        for part in (codec.vqvae.post_quant_conv, codec.vqvae.decoder):
            part.requires_grad_(True)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """One step on ``batch["pixels"]`` [B, 3, H, W] in [0, 1]."""
        vqvae, pixels = self.codec.vqvae, batch["pixels"]
        with torch.autocast(self.device.type, enabled=False):  # codes as editing will find them
            latents_BChw = vqvae.quantize.embedding(self.codec.encode(pixels)).movedim(-1, 1)
        decoded = unfold(vqvae.decoder(vqvae.post_quant_conv(latents_BChw)).float(), vqvae)
        self.log("train/psnr", psnr(decoded.detach(), pixels).mean(), prog_bar=True)
        return F.mse_loss(decoded, pixels)

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """How well dev pictures survive the round trip."""
        pixels = batch["pixels"]
        round_trip = self.codec.decode(self.codec.encode(pixels))
        self.log("dev/psnr", psnr(round_trip, pixels).mean(), prog_bar=True, batch_size=len(pixels))

    def finished(self) -> Codec:
        """The codec, decoder trained."""
        return self.codec
