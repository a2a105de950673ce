"""Train the pixel codec: a diffusers ``VQModel`` with a codebook that stays alive.

diffusers' quantiser takes the nearest code by plain L2 and trains it by gradient, which collapses on small data.
Here codes and latents lie on a sphere while training. The model first learns without quantisation, then the
codebook starts as a k-means of its latents, follows the mean of the latents assigned to each code, and a code that
nobody uses is moved onto a latent. Among codes of one length the nearest by L2 is the nearest by angle, whatever a
latent's length, so the released class at inference picks the same codes.

An editor copies the codes of what stays, so a code must not depend on what changes elsewhere in the picture. The encoder
therefore sees one patch at a time: of its kernels only the middle is used, its residual branches stay silent, and its
one group norm is made blind to the picture (:func:`_see_one_patch`). The decoder sees everything.
"""

from copy import deepcopy

import torch
from diffusers.models.autoencoders.vae import Encoder
from diffusers.models.autoencoders.vq_model import VQModel
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from editmgt.codec import Codec, fold, unfold
from editmgt.errors import UserError
from editmgt.metrics.image import psnr
from editmgt.training.learner import Learner
from editmgt.training.optimizers import MakeOptimizer

_COMMITMENT = 0.25  # weight of the commitment loss
_DECAY = 0.97  # of the running means that codes follow
_KMEANS_ROUNDS = 10
_TWINS = 0.1  # distance of codes below which only one is kept; they lie on a sphere of radius 4 or so
_ANCHOR = 256.0  # far above any signal, and exact in half precision
_DEAD = 0.05  # a code whose running count of assigned latents a step falls below this is moved


class CodecModule(Learner):
    """Reconstruction and commitment loss for a VQModel of one level, whose group norms have one group (else a ``UserError``).

    Args:
        warmup_steps: steps of linear warm-up; afterwards the learning rate decays linearly to zero.
        continuous_steps: first steps, which run without quantisation.
        seed: of where codes start, and where unused ones go.
    """

    usage: Tensor
    latent_sums: Tensor

    def __init__(
        self,
        vqvae: VQModel,
        optimizer: MakeOptimizer,
        warmup_steps: int = 50,
        continuous_steps: int = 800,
        seed: int = 0,
    ) -> None:
        super().__init__(optimizer, warmup_steps)
        levels, groups = len(vqvae.config["block_out_channels"]), vqvae.config["norm_num_groups"]
        if levels != 1 or groups != 1:
            raise UserError(
                f"A codec is trained on patches: model.vqvae must have one entry in block_out_channels (it has {levels}) "
                f"and norm_num_groups=1 (not {groups})."
            )
        self.vqvae = vqvae
        self.continuous_steps, self.seed = continuous_steps, seed
        _start_as_identity(vqvae)
        _see_one_patch(vqvae.encoder)
        codebook = vqvae.quantize.embedding.weight
        codebook.requires_grad_(False)
        self.register_buffer("usage", torch.ones(len(codebook)))
        self.register_buffer("latent_sums", codebook.clone())

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """One step on ``batch["pixels"]`` [B, 3, H, W] in [0, 1]: sources and targets in turn."""
        latents_BCHW = self.vqvae.quant_conv(self.vqvae.encoder(fold(batch["pixels"], self.vqvae))).float()
        latents_BCHW = self._on_sphere(latents_BCHW, dim=1)
        commitment = latents_BCHW.new_zeros(())
        if self.global_step >= self.continuous_steps:
            latents_BCHW, commitment = self._quantize(latents_BCHW)
        decoded = unfold(self.vqvae.decoder(self.vqvae.post_quant_conv(latents_BCHW)).float(), self.vqvae)
        loss = F.smooth_l1_loss(decoded, batch["pixels"], beta=0.2) + _COMMITMENT * commitment
        self.log_dict(
            {
                "train/loss": loss,
                "train/psnr": -10 * F.mse_loss(decoded.detach(), batch["pixels"]).log10(),
                "train/used_codes": (self.usage > 0.5).float().sum(),
            },
            prog_bar=True,
        )
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """How well dev pictures survive the round trip."""
        pixels = batch["pixels"]
        codec = Codec(self.vqvae)
        round_trip = codec.decode(codec.encode(pixels))
        self.log("dev/psnr", psnr(round_trip, pixels).mean(), prog_bar=True, batch_size=len(pixels))

    def _on_sphere(self, vectors: Tensor, dim: int) -> Tensor:
        return F.normalize(vectors, dim=dim) * vectors.shape[dim] ** 0.5

    def _quantize(self, latents_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Latents with their codes' values and the encoder's gradient, and the commitment loss."""
        latents_BHWC = latents_BCHW.movedim(1, -1)
        flat = latents_BHWC.reshape(-1, latents_BHWC.shape[-1])
        # a function of the step, so that a resumed training draws what the uninterrupted one would
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.global_step)
        if self.global_step == self.continuous_steps:
            self._start_codebook(flat.detach(), generator)
        codes = (flat.detach() @ self.vqvae.quantize.embedding.weight.T).argmax(dim=1)
        chosen = self.vqvae.quantize.embedding(codes)
        self._update_codebook(flat.detach(), codes, generator)
        straight_through = flat + (chosen - flat).detach()
        return straight_through.view_as(latents_BHWC).movedim(-1, 1), F.mse_loss(flat, chosen)

    def _start_codebook(self, flat: Tensor, generator: torch.Generator) -> None:
        size = len(self.usage)
        codebook = _drawn(flat, size, generator)
        for _ in range(_KMEANS_ROUNDS):
            codes = (flat @ codebook.T).argmax(dim=1)
            sums = torch.zeros_like(codebook).index_add_(0, codes, flat)
            counts = torch.bincount(codes, minlength=size)
            spare = _drawn(flat, size, generator)
            codebook = self._on_sphere(torch.where((counts > 0)[:, None], sums, spare), dim=1)
        self.vqvae.quantize.embedding.weight.copy_(codebook)
        self.usage.fill_(1.0)
        self.latent_sums.copy_(codebook)

    @torch.no_grad()
    def _update_codebook(self, flat: Tensor, codes: Tensor, generator: torch.Generator) -> None:
        counts = torch.bincount(codes, minlength=len(self.usage)).to(flat.dtype)
        sums = torch.zeros_like(self.latent_sums).index_add_(0, codes, flat)
        self.usage.lerp_(counts, 1 - _DECAY)
        self.latent_sums.lerp_(sums, 1 - _DECAY)
        dead = self.usage < _DEAD
        self.usage[dead] = 1.0
        self.latent_sums[dead] = _drawn(flat, int(dead.sum()), generator)
        self.vqvae.quantize.embedding.weight.copy_(self._on_sphere(self.latent_sums, dim=1))

    def finished(self) -> Codec:
        """What was trained, as a plain ``VQModel``."""
        vqvae = deepcopy(self.vqvae)
        for layer in (vqvae.encoder.conv_in, vqvae.encoder.conv_out):
            parametrize.remove_parametrizations(layer, "weight")
        _retire_twins(vqvae.quantize.embedding.weight, self.usage)
        return Codec(vqvae)


def _drawn(latents_NC: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draw some of the latents, with replacement."""
    return latents_NC[torch.randint(len(latents_NC), (count,), generator=generator).to(latents_NC.device)]


@torch.no_grad()
def _retire_twins(codebook_KC: Tensor, usage_K: Tensor) -> None:
    """Of codes that lie almost together keep the most used: rounding alone would choose between them.

    A retired code is twice as long as the others and so never the nearest.
    """
    close_KK = torch.cdist(codebook_KC, codebook_KC, compute_mode="donot_use_mm_for_euclid_dist") < _TWINS
    kept = torch.zeros(len(codebook_KC), dtype=torch.bool, device=codebook_KC.device)
    for code in usage_K.argsort(descending=True).tolist():
        kept[code] = not (close_KK[code] & kept).any()
    codebook_KC[~kept] *= -2


def _start_as_identity(vqvae: VQModel) -> None:
    """Silence the residual branches at first: the plain path learns the colours, the branches then refine it."""
    for name, layer in vqvae.named_modules():
        if name.endswith("conv2"):
            torch.nn.init.zeros_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
    # on the sphere, latents that share an offset would lie close together
    torch.nn.init.zeros_(vqvae.get_parameter("quant_conv.bias"))


def _see_one_patch(encoder: Encoder) -> None:
    """Make each latent a function of its own patch, and keep it so while ``encoder`` trains.

    A group norm divides by what it sees in the whole picture. Two channels of opposite, large constants decide its
    statistics here, and the others add up to zero everywhere, so that it is the same affine map for every picture.
    """
    for blocks in (encoder.down_blocks, encoder.mid_block):
        blocks.requires_grad_(False)
    anchors, norm = encoder.get_parameter("conv_in.bias"), encoder.conv_norm_out
    with torch.no_grad():
        for layer in ("conv_in", "conv_out"):
            encoder.get_parameter(f"{layer}.weight").mul_(3)  # drawn for nine times the inputs
            encoder.get_parameter(f"{layer}.bias").zero_()
        anchors[:2] = torch.tensor([_ANCHOR, -_ANCHOR])
        norm.weight.fill_(_ANCHOR * (2 / len(norm.weight)) ** 0.5)
    anchors.requires_grad_(False)
    parametrize.register_parametrization(encoder.conv_in, "weight", _Balanced())
    parametrize.register_parametrization(encoder.conv_out, "weight", _Unanchored())


class _Balanced(nn.Module):
    """Of a kernel, the middle; the two anchors' outputs are silent and the others add up to zero."""

    def forward(self, weight_OIHW: Tensor) -> Tensor:
        heard = _middle(weight_OIHW[2:])
        return torch.cat([torch.zeros_like(weight_OIHW[:2]), heard - heard.mean(dim=0)])


class _Unanchored(nn.Module):
    """Of a kernel, the middle; the two anchors are not heard."""

    def forward(self, weight_OIHW: Tensor) -> Tensor:
        return torch.cat([torch.zeros_like(weight_OIHW[:, :2]), _middle(weight_OIHW[:, 2:])], dim=1)


def _middle(weight_OIHW: Tensor) -> Tensor:
    rows, columns = weight_OIHW.shape[2:]
    around = (columns // 2, columns // 2, rows // 2, rows // 2)
    return F.pad(weight_OIHW[..., rows // 2, columns // 2][..., None, None], around)
