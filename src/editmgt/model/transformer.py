"""EditMGT's masked generative transformer (arXiv 2512.11715), Meissonic's trunk with attention injection.

Shapes: B batch, H W code grid, V codebook, T text tokens, N cells, S image streams (target, then reference
when it joins the attention), C codes per cell, D width, P pooled text, M codes whose logits are wanted. A pass over active
cells alone computes those of the target and has no reference stream: N is then their number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from editmgt.errors import UserError
from editmgt.model import io
from editmgt.model.attention import ReferenceBias, check_reference
from editmgt.model.blocks import DoubleBlock, Joint, SingleBlock
from editmgt.model.config import MGTConfig
from editmgt.model.connectors import build_connector
from editmgt.model.embeddings import (
    SINUSOIDS,
    DownSample,
    Head,
    LatentEmbed,
    LatentHead,
    TimeTextEmbed,
    TokenEmbed,
    UpSample,
    on_grid,
    side_by_side,
    sinusoids,
)
from editmgt.model.initialise import initialise
from editmgt.model.layers import MLP, RMSNorm
from editmgt.model.memory import ActiveCells, Memory
from editmgt.model.perceiver import Perceiver
from editmgt.model.rotary import rotations

MICRO_CONDITIONS = 5  # width, height, crop top, crop left, aesthetic score
TIMESTEP_UNIT = 1000


@dataclass(frozen=True)
class MGTOutput:
    """What one forward pass tells.

    Attributes:
        logits: [B, V, H, W], or [M, V] of the codes that were asked for.
        attention: per layer asked for, how text attends to target cells, [B, T, N] in fp32.
    """

    logits: Tensor
    attention: dict[int, Tensor] = field(default_factory=dict)


class MGTransformer(nn.Module):
    """Predict the codes of an image from its known ones, an instruction and the image to edit.

    Arguments are the fields of :class:`MGTConfig`; parameters carry the published names and shapes. With
    ``gradient_checkpointing`` set, training keeps the inputs of blocks alone and computes the rest twice.
    """

    gradient_checkpointing = False
    adapter: tuple[Any, str] | None = None  # what editmgt.model.lora put on it: peft's config, and the stream

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.config = config = MGTConfig.from_dict(settings)
        width, heads = config.width, config.num_attention_heads
        self.embed = (
            LatentEmbed(config.latent_channels, width)
            if config.latent_channels
            else TokenEmbed(config.vocab_size, width)
        )
        self.down_block = nn.ModuleDict({"downsample": DownSample(width)} if config.downsample else {})
        self.project_to_hidden_norm = RMSNorm(width)
        self.project_to_hidden = nn.Linear(width, width, bias=False)

        self.cond_embed = MLP(config.pooled_projection_dim + MICRO_CONDITIONS * SINUSOIDS, width, bias=False)
        self.time_text_embed = TimeTextEmbed(width)
        self.connector = build_connector(config)
        self.context_embedder = nn.Linear(width, width)
        self.encoder_proj_layer_norm = RMSNorm(width)

        self.transformer_blocks = nn.ModuleList(DoubleBlock(width, heads) for _ in range(config.num_layers))
        self.single_transformer_blocks = nn.ModuleList(
            SingleBlock(width, heads) for _ in range(config.num_single_layers)
        )

        self.project_from_hidden_norm = RMSNorm(width)
        self.project_from_hidden = nn.Linear(width, width, bias=False)
        self.up_block = nn.ModuleDict({"upsample": UpSample(width)} if config.upsample else {})
        self.mlm_layer = (
            LatentHead(width, config.latent_channels)
            if config.latent_channels
            else Head(width, config.codebook_size)
        )
        if not self.context_embedder.weight.is_meta:
            initialise(self)
        self.set_reference_mode(config.reference_mode)

    def set_reference_mode(self, mode: str) -> None:
        """Let the reference enter ``mode``'s way; where that is new, ``input``'s projection begins all zero."""
        if mode == "input" and not hasattr(self, "reference_projection"):
            linear = nn.Linear(
                self.config.width, self.config.width, bias=False, device=self.device, dtype=self.dtype
            )
            nn.init.zeros_(linear.weight)
            self.reference_projection = linear
        elif mode != "input" and hasattr(self, "reference_projection"):
            del self.reference_projection
        self.config = replace(self.config, reference_mode=mode)

    def forward(
        self,
        tokens: Tensor,
        text_states: Tensor,
        pooled_text: Tensor,
        timestep: Tensor,
        micro_conditions: Tensor,
        reference_tokens: Tensor | None = None,
        reference_strength: float = 1.0,
        reference_strength_scope: str = "all",
        reference_attends: str = "everything",
        attention_layers: Sequence[int] = (),
        logits_at: Tensor | None = None,
        guidance_scale: float | None = None,
        memory: Memory | None = None,
        active: ActiveCells | None = None,
    ) -> MGTOutput:
        """Return logits over the codebook for every token, or for those alone that ``logits_at`` [B, H, W] (bool) marks.

        ``tokens`` [B, H, W] are codes or the mask id; ``text_states`` [B, T, joint_attention_dim] and
        ``pooled_text`` [B, P] come from the text encoder; ``timestep`` [B] is in the checkpoint's convention;
        ``micro_conditions`` [B, 5] are width, height, crop top, crop left, aesthetic score.
        ``reference_tokens`` [B, H, W] are the codes of the image to edit. Where they join the attention,
        ``reference_strength`` (gamma; 0: not seen, 1: as trained) weighs the attention between them and all
        other tokens or, with scope ``image``, the target's tokens alone. They attend to ``everything`` (published) or to
        ``itself``, the reference, alone: their keys and values then do not depend on ``tokens`` and ``timestep``.
        ``attention_layers`` count double blocks first. UserError for what is out of range.

        With ``guidance_scale`` the first half of the batch is unconditional and the second conditional, and the logits are
        the guided ones of the codes that ``logits_at`` marks, in both halves the same. ``memory`` keeps all keys and
        values; with ``active`` the pass computes the text and those cells of the target, takes the keys and values of all
        others from the memory that an earlier pass has filled, and gives logits of codes in those cells alone.

        With ``config.latent_channels`` ``tokens`` and ``reference_tokens`` are vectors [B, H, W, channels] and so are the
        logits: a rectified flow's velocities.

        Logits of all tokens lie channels-last in memory: ``logits.movedim(1, -1)`` is contiguous.
        """
        self._check(tokens, reference_tokens, attention_layers)
        check_reference(reference_strength, reference_strength_scope, reference_attends)
        height, width = tokens.shape[1] // self.cell_size, tokens.shape[2] // self.cell_size
        mode = self.config.reference_mode
        if mode == "none" or (
            mode == "attention" and reference_strength_scope == "all" and reference_strength == 0
        ):
            reference_tokens = None  # nothing would see it

        references = int(mode == "attention" and reference_tokens is not None)
        image_BSND = self._embed_image(tokens, reference_tokens, active)
        timestep = timestep.float() * TIMESTEP_UNIT
        text_BTD = self._embed_text(text_states, timestep)
        streams, text_length = image_BSND.shape[1], text_BTD.shape[1]
        condition_BSD = self._embed_condition(pooled_text, micro_conditions, timestep, streams)

        turns = rotations(height, width, self.config.axes_dims_rope, tokens.device)
        turns = turns.repeat(streams, 1) if active is None else turns[active.index_BR]
        joint = Joint(
            text=text_length,
            target=image_BSND.shape[2],
            cells=height * width,
            image_rotations=turns,
            rotations=torch.cat([turns.new_ones(*turns.shape[:-2], text_length, turns.shape[-1]), turns], -2),
            bias=ReferenceBias.build(
                reference_strength,
                reference_strength_scope,
                (text_length, height * width, references * height * width),
                self.config.attention_head_dim,
                image_BSND,
            ),
            active=active,
            apart=reference_attends == "itself",
        )

        def at(layer: int) -> Joint:
            return joint if memory is None else replace(joint, memory=memory[layer])

        maps: dict[int, Tensor | None] = {}
        for layer, block in enumerate(self.transformer_blocks):
            image_BSND, text_BTD, maps[layer] = self._run(
                block, image_BSND, text_BTD, condition_BSD, at(layer), layer in attention_layers
            )
        target_BND, *reference = image_BSND.unbind(1)
        sequences = [torch.cat([text_BTD, target_BND], dim=1), *reference]
        for layer, block in enumerate(self.single_transformer_blocks, start=len(self.transformer_blocks)):
            last = layer == self.num_blocks - 1
            sequences, maps[layer] = self._run(
                block, sequences, condition_BSD, at(layer), last, layer in attention_layers
            )

        codes_BHWD = self._decode(sequences[0], tokens.shape[1], tokens.shape[2], active)
        if logits_at is None:
            logits = self.mlm_layer(codes_BHWD).permute(0, 3, 1, 2)
        elif guidance_scale is None:
            logits = self.mlm_layer(codes_BHWD[logits_at])
        else:
            logits = self.mlm_layer.guided(codes_BHWD[logits_at], guidance_scale)
        return MGTOutput(logits, {layer: seen for layer, seen in maps.items() if seen is not None})

    def _run(self, block: nn.Module, *inputs: Any) -> Any:
        if self.gradient_checkpointing and torch.is_grad_enabled():
            return checkpoint(block, *inputs, use_reentrant=False)
        return block(*inputs)

    def _embed_image(
        self, tokens: Tensor, reference_tokens: Tensor | None, active: ActiveCells | None
    ) -> Tensor:
        grids = [tokens] if reference_tokens is None else [tokens, reference_tokens]
        if active is not None and self.config.reference_mode == "attention":
            grids = [tokens]  # the reference is in memory
        tokens_BNC = side_by_side(torch.stack(grids, dim=1).flatten(0, 1), self.cell_size)
        if active is not None:
            tokens_BNSC = tokens_BNC.unflatten(0, (-1, len(grids))).transpose(1, 2)
            tokens_BNC = active.pick(tokens_BNSC).transpose(1, 2).flatten(0, 1)
        if self.config.downsample:
            down = cast(DownSample, self.down_block["downsample"])
            cells = down(self.embed(tokens_BNC, down.norm))
        else:
            cells = self.embed(tokens_BNC.squeeze(2), None)
        cells = self.project_to_hidden(self.project_to_hidden_norm(cells))
        image_BSND = cells.unflatten(0, (-1, len(grids)))
        if self.config.reference_mode == "input" and reference_tokens is not None:
            target, reference = image_BSND.split(1, dim=1)
            return target + self.reference_projection(reference)
        return image_BSND

    def _embed_text(self, text_states: Tensor, timestep: Tensor) -> Tensor:
        states = text_states.to(self.dtype)
        if isinstance(self.connector, Perceiver):
            states = self.connector(states, timestep)
        elif self.connector is not None:
            states = self.connector(states)
        return self.encoder_proj_layer_norm(self.context_embedder(states))

    def _embed_condition(
        self, pooled_text: Tensor, micro_conditions: Tensor, timestep: Tensor, streams: int
    ) -> Tensor:
        micro = sinusoids(micro_conditions).flatten(1)
        condition = self.cond_embed(torch.cat([pooled_text, micro], dim=1).to(self.dtype))
        # the reference is a finished image: its timestep is 0
        times = torch.stack([timestep] + [torch.zeros_like(timestep)] * (streams - 1), dim=1)
        return self.time_text_embed(times, condition)

    def _decode(self, target_BND: Tensor, height: int, width: int, active: ActiveCells | None) -> Tensor:
        cells_BND = self.project_from_hidden(self.project_from_hidden_norm(target_BND))
        codes_BNCD = self.up_block["upsample"](cells_BND) if self.config.upsample else cells_BND.unsqueeze(2)
        if active is not None:
            all_BNCD = codes_BNCD.new_zeros(
                len(codes_BNCD), height * width // self.cell_size**2, *codes_BNCD.shape[2:]
            )
            active.put(codes_BNCD, all_BNCD)
            codes_BNCD = all_BNCD
        return on_grid(codes_BNCD, height, width, self.cell_size)

    def _check(self, tokens: Tensor, reference: Tensor | None, layers: Sequence[int]) -> None:
        rows, columns = tokens.shape[1:3]
        if rows % self.cell_size or columns % self.cell_size:
            raise UserError(
                f"tokens: a grid of {rows}x{columns} codes must have even sides, for a cell covers 2x2 codes"
            )
        if reference is not None and reference.shape != tokens.shape:
            raise UserError(
                f"reference_tokens {list(reference.shape)} must have the shape of tokens {list(tokens.shape)}"
            )
        outside = sorted(layer for layer in layers if not 0 <= layer < self.num_blocks)
        if outside:
            raise UserError(
                f"attention_layers {outside} are outside 0..{self.num_blocks - 1}, this model's blocks"
            )

    @property
    def num_blocks(self) -> int:
        """Double and single blocks together."""
        return self.config.num_layers + self.config.num_single_layers

    @property
    def mask_token_id(self) -> int:
        """The id of an unknown token."""
        return self.config.vocab_size - 1

    @property
    def cell_size(self) -> int:
        """Codes along one side of a cell."""
        return 2 if self.config.downsample else 1

    @property
    def dtype(self) -> torch.dtype:
        """The parameters' type."""
        return self.context_embedder.weight.dtype

    @property
    def device(self) -> torch.device:
        """The parameters' device."""
        return self.context_embedder.weight.device

    @classmethod
    def from_pretrained(cls, directory: str | Path, subfolder: str | None = None, variant: str = "") -> Self:
        """Load a directory in the published layout; UserError for any missing, unknown or misshapen key."""
        path = Path(directory) / (subfolder or "")
        config = io.read_config(path)
        with torch.device("meta"):
            model = cls(**config)
        io.load_weights(model, path, variant)
        return model.eval()

    def save_pretrained(self, directory: str | Path) -> None:
        """Write the directory :meth:`from_pretrained` reads."""
        io.save(self, self.config.to_dict(), Path(directory))
