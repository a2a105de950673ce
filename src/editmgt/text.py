"""Instructions to text states: a CLIP text tower seen as the transformer's reader.

Shapes: B batch, T text tokens, D width of the states, P width of the pooled text.
"""

from pathlib import Path
from typing import NamedTuple, Self

from torch import Tensor, nn
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

from editmgt.errors import UserError
from editmgt.loading import load_checked, quiet


class TextStates(NamedTuple):
    """What the transformer is told: a state per token and one vector for the whole text."""

    states_BTD: Tensor
    pooled_BP: Tensor


class TextEncoder(nn.Module):
    """CLIP as Meissonic reads it: second-last hidden states, projected pooled state, no padding mask."""

    def __init__(self, model: CLIPTextModelWithProjection, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer

    @property
    def length(self) -> int:
        """Tokens every text is padded or cut to, begin and end marks included."""
        return min(self.tokenizer.model_max_length, self.model.config.max_position_embeddings)

    def tokenize(self, texts: list[str]) -> Tensor:
        """Return input ids [B,T] (long, on the CPU), padded and truncated to ``length``."""
        batch = self.tokenizer(
            texts, padding="max_length", truncation=True, max_length=self.length, return_tensors="pt"
        )
        return batch.input_ids

    def truncated(self, text: str) -> str:
        """Return the end of ``text`` that does not fit into ``length`` tokens, "" when all of it does."""
        offsets = self.tokenizer(text, return_offsets_mapping=True, verbose=False).offset_mapping
        if len(offsets) <= self.length:
            return ""
        return text[offsets[self.length - 1][0] :].strip()  # the end mark takes the last position

    def forward(self, input_ids_BT: Tensor) -> TextStates:
        """Return the states of token ids; gradients flow, since the miniature's text encoder trains along."""
        output = self.model(input_ids=input_ids_BT, output_hidden_states=True)
        return TextStates(output.hidden_states[-2], output.text_embeds)

    def encode(self, texts: list[str]) -> TextStates:
        """Tokenize, move to the model's device and run the model."""
        return self(self.tokenize(texts).to(self.model.device))

    @classmethod
    def from_pretrained(cls, directory: Path | str) -> Self:
        """Read ``text_encoder/`` and ``tokenizer/``; a missing or unexpected key is a ``UserError``."""
        directory = Path(directory)
        model = load_checked(CLIPTextModelWithProjection, directory / "text_encoder")
        folder = directory / "tokenizer"
        if not (folder / "tokenizer.json").is_file() and not (folder / "vocab.json").is_file():
            raise UserError(
                f"{folder} holds no CLIP tokenizer (tokenizer.json, or vocab.json and merges.txt)."
            )
        try:
            tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # a broken file makes the library raise a dozen kinds of error
            raise UserError(f"{folder} cannot be read as a CLIP tokenizer: {error}") from error
        if len(tokenizer) > model.config.vocab_size:
            raise UserError(
                f"{folder} has {len(tokenizer)} tokens but the text encoder beside it knows "
                f"{model.config.vocab_size}: they do not belong together."
            )
        return cls(model, tokenizer).eval()

    def save_pretrained(self, directory: Path | str) -> None:
        """Write ``text_encoder/`` and ``tokenizer/`` as transformers does."""
        with quiet():
            self.model.save_pretrained(Path(directory) / "text_encoder")
        self.tokenizer.save_pretrained(Path(directory) / "tokenizer")
