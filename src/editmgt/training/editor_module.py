"""The LightningModule around the transformer and its text encoder."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from editmgt.model import AESTHETIC_SCORE, MGTransformer
from editmgt.text import TextEncoder, TextStates
from editmgt.training.learner import Learner
from editmgt.training.masking import (
    draw_drops,
    draw_masks,
    drop_conditions,
    hide_edits,
    hide_whole,
    masked_cross_entropy,
    masks_of,
)
from editmgt.training.optimizers import MakeOptimizer

if TYPE_CHECKING:
    from editmgt.config.schema import Model

_WEIGHTS = ("state_dict", "current_model_state")  # of a checkpoint; the second beside a running mean


class EditorModule(Learner):
    """Predict hidden codes of the target from the visible ones, the instruction and the source.

    A batch holds ``target_tokens`` [B, H, W] and ``input_ids`` [B, T] (or, where the text encoder is frozen and a cache
    has run it, ``text_states`` [B, T, D] and ``pooled_text`` [B, P]), and ``source_tokens`` [B, H, W] unless the model
    learns text-to-image. ``index`` [B] is each sample's place in the step's global batch and ``global_size`` that
    batch's size: masks are drawn for the whole of it and every process takes its part, so that the number of
    processes changes neither the masks nor the loss.

    Args:
        pixels_per_code: a side of a code, for the micro conditions.
        recipe: how it learns.
        seed: of masks and drops.
        reference_attends: what the source's tokens attend to, where they join the attention.
        teacher: a module whose predictions are learnt in the place of the codes; itself it does not learn.
    """

    empty_ids: Tensor

    def __init__(
        self,
        transformer: MGTransformer,
        text_encoder: TextEncoder,
        optimizer: MakeOptimizer,
        pixels_per_code: int,
        recipe: "Model",
        seed: int = 0,
        reference_attends: str = "everything",
        teacher: "EditorModule | None" = None,
    ) -> None:
        super().__init__(optimizer, recipe.warmup_steps, recipe.decay_fraction)
        self.teacher = None if teacher is None else teacher.requires_grad_(False)
        self.transformer = transformer
        self.text_encoder = text_encoder.requires_grad_(recipe.train_text_encoder)
        self.pixels_per_code = pixels_per_code
        self.recipe, self.seed, self.reference_attends = recipe, seed, reference_attends
        self._empty: TextStates | None = None
        self.register_buffer("empty_ids", text_encoder.tokenize([""])[0], persistent=False)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """The loss of one step."""
        batches = self.trainer.accumulate_grad_batches  # that make one step, each with masks of its own
        drawn = self.global_step * batches + batch_idx % batches
        loss = self._loss(batch, torch.Generator().manual_seed(self.seed * 1_000_003 + drawn))
        # Each process holds its part of the sum; Lightning averages gradients, so the parts count in full.
        self.log("train/loss", loss, prog_bar=True, sync_dist=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Count from nothing."""
        self._dev_sums = torch.zeros(2, device=self.device)

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Add up the loss on held-out samples, under the same masks every time."""
        self._dev_sums += self.dev_sums(batch)

    def on_validation_epoch_end(self) -> None:
        """The loss of a hidden token, whatever batches and processes the samples came in."""
        # not by `sync_dist`: Lightning would round the batch sizes of all processes
        loss, hidden = self.trainer.strategy.reduce(self._dev_sums, reduce_op="sum")
        self.log("dev/loss", loss / hidden, prog_bar=True)

    def dev_sums(self, batch: dict[str, Tensor]) -> Tensor:
        """Return [the loss summed over a dev batch's hidden tokens, their number]; nothing is dropped.

        ``sample`` [B] numbers the samples, which have masks of their own, and ``counted`` [B] is False for those that
        only fill a process's part of the last batch.
        """
        target_BHW = batch["target_tokens"]
        mask_BL, ratio_B = masks_of(batch["sample"], target_BHW[0].numel())
        mask_BHW = mask_BL.view(target_BHW.shape).to(self.device)
        counted_BHW = mask_BHW & batch["counted"].view(-1, 1, 1)
        no_drop_B = torch.zeros(len(target_BHW), dtype=torch.bool, device=self.device)
        logits = self._logits(batch, mask_BHW, counted_BHW, ratio_B.to(self.device), no_drop_B)
        loss = masked_cross_entropy(logits, target_BHW[counted_BHW], 1.0)
        return torch.stack([loss, counted_BHW.sum()])

    def _loss(self, batch: dict[str, Tensor], generator: torch.Generator) -> Tensor:
        target_BHW, index_B = batch["target_tokens"], batch["index"].cpu()
        size, shape = int(batch["global_size"]), target_BHW.shape[1:]
        mask_GL, ratio_G = draw_masks(generator, size, shape.numel())
        drop_G = draw_drops(generator, size, self.recipe.condition_dropout)
        hide_G = draw_drops(generator, size, self.recipe.edit_masking)
        mask_GL, ratio_G = hide_whole(mask_GL, draw_drops(generator, size, self.recipe.full_masking))
        mask_BHW = mask_GL[index_B].view(-1, *shape).to(self.device)
        ratio_B = ratio_G[index_B].to(self.device)
        if "source_tokens" in batch:
            changed_BHW = batch["source_tokens"] != target_BHW
            mask_BHW, ratio_B = hide_edits(mask_BHW, changed_BHW, hide_G[index_B].to(self.device))
        asked = (batch, mask_BHW, mask_BHW, ratio_B, drop_G[index_B].to(self.device))
        logits, wanted = self._logits(*asked), target_BHW[mask_BHW]
        if self.teacher is not None:
            with torch.no_grad():
                wanted = self.teacher._logits(*asked).float().softmax(dim=-1)
        # Of what is drawn alike everywhere, so that the number of processes does not change the loss.
        hidden_in_each_process = float(mask_GL.sum()) * len(index_B) / size
        return masked_cross_entropy(logits, wanted, hidden_in_each_process)

    def _logits(
        self, batch: dict[str, Tensor], mask_BHW: Tensor, at_BHW: Tensor, ratio_B: Tensor, drop_B: Tensor
    ) -> Tensor:
        """Logits [M, V] of tokens of a batch, its target hidden under the masks and conditions dropped."""
        hidden_BHW = batch["target_tokens"].masked_fill(mask_BHW, self.transformer.mask_token_id)
        text = self._text(batch, drop_B)
        return self(hidden_BHW, text, ratio_B, batch.get("source_tokens"), at_BHW)

    def _text(self, batch: dict[str, Tensor], drop_B: Tensor) -> TextStates:
        """The text states of a batch, the empty text's where the condition is dropped."""
        if "input_ids" in batch:
            return self.text_encoder(drop_conditions(batch["input_ids"], drop_B, self.empty_ids))
        if self._empty is None:
            with torch.no_grad():  # states come from a cache only where the text encoder is frozen
                self._empty = self.text_encoder(self.empty_ids[None])
        empty = self._empty
        return TextStates(
            *(
                torch.where(drop_B.view(-1, *[1] * (given.ndim - 1)), nothing, given.to(nothing.dtype))
                for nothing, given in zip(empty, (batch["text_states"], batch["pooled_text"]), strict=True)
            )
        )

    def forward(
        self,
        tokens: Tensor,
        text: TextStates,
        mask_ratio: Tensor,
        source_tokens: Tensor | None = None,
        logits_at: Tensor | None = None,
    ) -> Tensor:
        """Logits [B, V, H, W] for ``tokens`` [B, H, W], of which a ``mask_ratio`` [B] is hidden.

        With ``logits_at`` [B, H, W] (bool), those of the marked tokens alone, [M, V].
        """
        height, width = (side * self.pixels_per_code for side in tokens.shape[1:3])
        micro = torch.tensor([width, height, 0, 0, AESTHETIC_SCORE], dtype=torch.float32, device=self.device)
        return self.transformer(
            tokens,
            text.states_BTD,
            text.pooled_BP,
            mask_ratio,
            micro.expand(len(tokens), -1),
            reference_tokens=source_tokens,
            reference_attends=self.reference_attends,
            logits_at=logits_at,
        ).logits

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What learns: with weight decay, and, of biases, norms and embeddings, without."""
        embeddings = {module.weight for module in self.modules() if isinstance(module, nn.Embedding)}
        learnt = [parameter for parameter in self.parameters() if parameter.requires_grad]
        kept = [parameter for parameter in learnt if parameter.ndim < 2 or parameter in embeddings]
        decayed = [parameter for parameter in learnt if parameter.ndim > 1 and parameter not in embeddings]
        return [{"params": decayed}, {"params": kept, "weight_decay": 0.0}]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave what is frozen out: a language model is ten gigabytes that the start of the training has already."""
        for weights in (checkpoint[key] for key in _WEIGHTS if key in checkpoint):
            for name in self._frozen():
                weights.pop(name, None)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put what is frozen back in."""
        for weights in (checkpoint[key] for key in _WEIGHTS if key in checkpoint):
            weights.update(self._frozen())

    def _frozen(self) -> dict[str, Tensor]:
        # a text encoder that a teacher shares goes by two names
        named = self.named_parameters(remove_duplicate=False)
        return {name: parameter.data for name, parameter in named if not parameter.requires_grad}
