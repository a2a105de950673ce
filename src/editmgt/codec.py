"""Pixels to codes and back: a diffusers ``VQModel`` seen as a tokenizer of pictures.

The published codec reads pixels in [0, 1]. The miniature's VQModel reads patches instead (``in_channels`` = 3 * p * p),
in [-1, 1]: all its convolutions then run at the resolution of the codes, which a CPU can afford, and its input is
centred, without which it hardly learns on pale pictures.

Shapes: B batch, 3 RGB, H W pixels, h w codes (H / downsampling), C latent channels, K codebook size.
"""

from math import isqrt
from pathlib import Path
from typing import Self

import torch
from diffusers.models.autoencoders.vq_model import VQModel
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.nn import functional as F

from editmgt.errors import UserError
from editmgt.finite import all_finite
from editmgt.loading import load_checked


class Codec(nn.Module):
    """Turns pixels into a grid of codebook indices and such a grid back into pixels.

    Both directions carry no gradient; training a codec works on ``.vqvae`` itself.
    """

    def __init__(self, vqvae: VQModel) -> None:
        super().__init__()
        if not vqvae.config["lookup_from_codebook"]:
            raise UserError("The VQModel's config must say lookup_from_codebook: true to decode codes.")
        self.vqvae = vqvae
        _skip_silent_branches(vqvae.encoder)

    @property
    def downsampling(self) -> int:
        """Pixels per code, along each side."""
        return patch_size(self.vqvae) * 2 ** (len(self.vqvae.config["block_out_channels"]) - 1)

    @property
    def codebook_size(self) -> int:
        """Number of codes; tokens lie in ``[0, codebook_size)``."""
        return self.vqvae.quantize.n_e

    @property
    def latent_channels(self) -> int:
        """Channels of what a code stands for."""
        return self.vqvae.quantize.vq_embed_dim

    @property
    def codebook(self) -> Tensor:
        """What the codes stand for [K, C] in float32, each channel with mean 0 and variance 1 over the codebook."""
        codebook_KC = self.vqvae.quantize.embedding.weight.detach().float()
        return (codebook_KC - codebook_KC.mean(dim=0)) / codebook_KC.std(dim=0, unbiased=False)

    @torch.no_grad()
    def encode(self, pixels_B3HW: Tensor) -> Tensor:
        """Return the nearest codes [B,h,w] (long) of pictures with values in [0, 1].

        Both sides must be multiples of ``downsampling``. The distance is taken in float32 whatever the
        dtype of the weights: half precision has too few digits to rank thousands of codes.
        """
        height, width = pixels_B3HW.shape[-2:]
        if height % self.downsampling or width % self.downsampling:
            raise ValueError(f"a picture of {height}x{width} pixels is no multiple of {self.downsampling}")
        latents_BChw = self.vqvae.encode(fold(pixels_B3HW.to(self.vqvae.dtype), self.vqvae)).latents
        return nearest_codes(latents_BChw.movedim(1, -1), self.vqvae.quantize.embedding.weight.float())

    @torch.no_grad()
    def decode(self, tokens_Bhw: Tensor) -> Tensor:
        """Return pixels [B,3,H,W] clipped to [0, 1], in the dtype of the weights; a ``UserError`` if one is not finite.

        Every picture is decoded by itself: in a batch, sums are taken in another order on some machines, and a pixel
        that lies between two levels would come out by its neighbours.
        """
        shape = (1, *tokens_Bhw.shape[1:], self.latent_channels)
        decoded = [
            self.vqvae.decode(tokens_1hw, force_not_quantize=True, shape=shape).sample
            for tokens_1hw in tokens_Bhw.split(1)
        ]
        pixels = unfold(torch.cat(decoded), self.vqvae)
        if not all_finite(pixels):  # clipping would make a picture of them
            raise UserError(
                "NaN or infinite: the codec's pixels. Its weights are broken, or out of the range of their dtype."
            )
        return pixels.clip(0, 1)

    @classmethod
    def from_pretrained(cls, directory: Path | str, subfolder: str = "vqvae", variant: str = "") -> Self:
        """Read a diffusers ``VQModel`` directory, in float32; a missing or unexpected key is a ``UserError``."""
        return cls(load_checked(VQModel, Path(directory) / subfolder, variant)).eval()

    def save_pretrained(self, directory: Path | str, subfolder: str = "vqvae") -> None:
        """Write the ``VQModel`` as diffusers does."""
        self.vqvae.save_pretrained(Path(directory) / subfolder)


def nearest_codes(latents_BhwC: Tensor, codebook_KC: Tensor) -> Tensor:
    """Return the codes [B,h,w] (long) whose vectors are nearest."""
    codes = [
        torch.cdist(latents_hwC.flatten(0, 1).float(), codebook_KC).argmin(dim=1)
        for latents_hwC in latents_BhwC  # one picture at a time: distances to 8192 codes are large
    ]
    return torch.stack(codes).view(latents_BhwC.shape[:-1])


def _skip_silent_branches(encoder: nn.Module) -> None:
    """Leave out the residual branches that end in zeros: they add nothing, and are most of the miniature's encoder.

    What is silent when the codec is made must stay so: the training of a codec freezes these branches.
    """
    for block in encoder.modules():
        if isinstance(block, ResnetBlock2D) and block.conv_shortcut is None and _is_zero(block.conv2):
            block.forward = _unchanged  # type: ignore[method-assign, assignment]


def _is_zero(convolution: nn.Conv2d) -> bool:
    return not any(parameter.any() for parameter in convolution.parameters())


def _unchanged(x: Tensor, temb: Tensor | None = None) -> Tensor:
    return x


def patch_size(vqvae: VQModel) -> int:
    """Pixels along a side of what the model takes as one position: 1 for the published layout."""
    return isqrt(vqvae.config["in_channels"] // 3)


def fold(pixels_B3HW: Tensor, vqvae: VQModel) -> Tensor:
    """Pixels in [0, 1] as the model reads them."""
    patch = patch_size(vqvae)
    return pixels_B3HW if patch == 1 else F.pixel_unshuffle(2 * pixels_B3HW - 1, patch)


def unfold(output: Tensor, vqvae: VQModel) -> Tensor:
    """Undo :func:`fold`."""
    patch = patch_size(vqvae)
    return output if patch == 1 else (F.pixel_shuffle(output, patch) + 1) / 2
