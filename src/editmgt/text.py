"""Instructions to text states: CLIP, and where there is one a language model, seen as the transformer's reader.

Shapes: B batch, T text tokens, D width of the states, P width of the pooled text.
"""

import copy
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self, cast

import torch
from torch import Tensor, nn
from transformers import (
    AutoModel,
    AutoTokenizer,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from editmgt.errors import UserError, first_line
from editmgt.loading import load_checked, quiet

LLM = "llm_encoder"
VOCABULARIES = ("tokenizer.json", "tokenizer.model", "vocab.json")
LLM_LENGTH = 256  # tokens every text is padded or cut to, as published
PUBLISHED_CLIP = 49408  # words of OpenAI's vocabulary, which every published CLIP text encoder shares


class TextStates(NamedTuple):
    """What the transformer is told: a state per token and one vector for the whole text."""

    states_BTD: Tensor
    pooled_BP: Tensor


class LanguageModel(nn.Module):
    """A decoder's body as EditMGT reads Gemma-2: the states that enter its last layer.

    It runs without a mask over the padding (Gemma's is on the left): a mask moves the states by more than their
    size, and the published weights were trained without. Neither the last layer nor a head is computed.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__()
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token  # as published for Llama
        self.model = model
        self.tokenizer = tokenizer

    @property
    def length(self) -> int:
        """Tokens every text is padded or cut to."""
        return min(LLM_LENGTH, self.tokenizer.model_max_length, self.model.config.max_position_embeddings)

    def forward(self, input_ids_BT: Tensor) -> Tensor:
        """Return the states [B,T,D] of token ids."""
        body: Any = copy.copy(self.model)  # the same layers, the end left out
        body._modules = self.model._modules | {
            "layers": cast(nn.ModuleList, self.model.layers)[:-1],
            "norm": nn.Identity(),
        }
        return body(input_ids=input_ids_BT, use_cache=False).last_hidden_state

    @classmethod
    def from_pretrained(
        cls, directory: Path | str, variant: str = "", dtype: torch.dtype = torch.float32
    ) -> Self:
        """Read a directory that holds model and tokenizer; its head is not read. Nothing of it is run as code."""
        directory = Path(directory)
        model = load_checked(AutoModel, directory, variant, dtype, unread="lm_head.")
        if not isinstance(getattr(model, "layers", None), nn.ModuleList) or not hasattr(model, "norm"):
            raise UserError(
                f"{directory} holds a {type(model).__name__}, which is not a decoder with .layers and .norm "
                "(such as Gemma2Model, LlamaModel or Qwen2Model)."
            )
        tokenizer = _tokenizer(AutoTokenizer, directory, "tokenizer")
        _check_vocabulary(directory, tokenizer, model)
        return cls(model, tokenizer).eval()

    def save_pretrained(self, directory: Path | str) -> None:
        """Write model and tokenizer into one directory."""
        with quiet():
            self.model.save_pretrained(directory)
        self.tokenizer.save_pretrained(directory)


class TextEncoder(nn.Module):
    """CLIP as Meissonic reads it: second-last hidden states, projected pooled state, no padding mask.

    With an ``llm`` the states are the language model's and CLIP gives the pooled text alone, as in EditMGT. The
    ids of both then stand side by side, CLIP's first.
    """

    def __init__(
        self,
        model: CLIPTextModelWithProjection,
        tokenizer: CLIPTokenizer,
        llm: LanguageModel | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.llm = llm

    @property
    def clip_length(self) -> int:
        """CLIP's tokens, begin and end marks included."""
        return min(self.tokenizer.model_max_length, self.model.config.max_position_embeddings)

    @property
    def length(self) -> int:
        """Number of states: tokens every text is padded or cut to."""
        return self.clip_length if self.llm is None else self.llm.length

    @property
    def width(self) -> int:
        """Channels of the states."""
        return (self.model if self.llm is None else self.llm.model).config.hidden_size

    @property
    def states_tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer whose tokens the states stand for, one each."""
        return self.tokenizer if self.llm is None else self.llm.tokenizer

    @property
    def vocabularies(self) -> list[dict[str, int]]:
        """What the ids depend on beside the text."""
        tokenizers = [self.tokenizer] if self.llm is None else [self.tokenizer, self.llm.tokenizer]
        return [tokenizer.get_vocab() for tokenizer in tokenizers]

    @property
    def cleans(self) -> bool:
        """Whether CLIP's texts are :func:`cleaned` first: published weights learnt so, the miniature's did not."""
        return self.tokenizer.backend_tokenizer.get_vocab_size(with_added_tokens=False) == PUBLISHED_CLIP

    def tokenize(self, texts: list[str]) -> Tensor:
        """Return input ids (long, on the CPU), [B,clip_length] and where there is an LLM its ``length`` more."""
        clip_texts = (
            [cleaned(text, self.tokenizer.all_special_tokens) for text in texts] if self.cleans else texts
        )
        ids = _ids(self.tokenizer, clip_texts, self.clip_length)
        return ids if self.llm is None else torch.cat([ids, _ids(self.llm.tokenizer, texts, self.length)], 1)

    def truncated(self, text: str) -> str:
        """Return the end of ``text``, as it is read, that does not fit into ``length`` tokens, "" when all does."""
        text = self._as_read(text)
        offsets = self.states_tokenizer(text, return_offsets_mapping=True, verbose=False).offset_mapping
        if len(offsets) <= self.length:
            return ""
        # CLIP's end mark takes the last position
        return text[offsets[self.length - (self.llm is None)][0] :].strip()

    def rows_of(self, text: str, word: str) -> Tensor:
        """Tell which states stand for ``word`` in ``text``: bool [T], all False where it is not there or was cut.

        Both are taken as they are read: a curly apostrophe finds a straight one where texts are cleaned.
        """
        text, word = self._as_read(text), self._as_read(word)
        offsets = self.states_tokenizer(
            text,
            padding="max_length",
            truncation=True,
            max_length=self.length,
            return_offsets_mapping=True,
        ).offset_mapping
        found = re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) if word.strip() else ()
        places = [match.span() for match in found]
        return torch.tensor(
            [any(start < last and first < end for first, last in places) for start, end in offsets]
        )

    def _as_read(self, text: str) -> str:
        """The text that the offsets of ``states_tokenizer`` refer to."""
        return cleaned(text, self.tokenizer.all_special_tokens) if self.llm is None and self.cleans else text

    def forward(self, input_ids_BT: Tensor) -> TextStates:
        """Return the states of token ids; gradients flow, since the miniature's text encoder trains along."""
        clip_ids, llm_ids = input_ids_BT.tensor_split([self.clip_length], dim=1)
        output = self.model(input_ids=clip_ids, output_hidden_states=self.llm is None)
        states = output.hidden_states[-2] if self.llm is None else self.llm(llm_ids)
        return TextStates(states, output.text_embeds)

    def encode(self, texts: list[str]) -> TextStates:
        """Tokenize, move to the model's device and run the model."""
        return self(self.tokenize(texts).to(self.model.device))

    @classmethod
    def from_pretrained(
        cls, directory: Path | str, variant: str = "", dtype: torch.dtype = torch.float32
    ) -> Self:
        """Read ``text_encoder/``, ``tokenizer/`` and, where it is, ``llm_encoder/``; every key is checked."""
        directory = Path(directory)
        model = load_checked(CLIPTextModelWithProjection, directory / "text_encoder", variant, dtype)
        folder = directory / "tokenizer"
        tokenizer = _tokenizer(CLIPTokenizer, folder, "CLIP tokenizer")
        _check_vocabulary(folder, tokenizer, model)
        llm = directory / LLM
        return cls(
            model, tokenizer, LanguageModel.from_pretrained(llm, variant, dtype) if llm.is_dir() else None
        ).eval()

    def save_pretrained(self, directory: Path | str) -> None:
        """Write ``text_encoder/``, ``tokenizer/`` and ``llm_encoder/`` as transformers does."""
        with quiet():
            self.model.save_pretrained(Path(directory) / "text_encoder")
        self.tokenizer.save_pretrained(Path(directory) / "tokenizer")
        if self.llm is not None:
            self.llm.save_pretrained(Path(directory) / LLM)


def cleaned(text: str, marks: Sequence[str] = ()) -> str:
    """Return ``text`` as CLIP's tokenizer of transformers 4 hands it to its word splitting where ftfy is installed.

    Typographic quotes become straight, HTML entities and ligatures are resolved, full-width letters narrow and
    broken encodings mended; white space is single spaces, letters are small. Version 5 does none of the first four, and
    makes letters small one by one (a Greek final sigma is another letter). What stands between ``marks``, the
    special tokens, is cleaned piece by piece, as they are split off first.
    """
    import ftfy  # late: the miniature has no need of it

    pieces = re.split("(" + "|".join(re.escape(mark) for mark in marks) + ")", text) if marks else [text]
    fixed = [piece if piece in marks else ftfy.fix_text(piece).lower() for piece in pieces]
    return re.sub(r"\s+", " ", "".join(fixed)).strip()


def _ids(tokenizer: PreTrainedTokenizerBase, texts: list[str], length: int) -> Tensor:
    """Padded on the side that the tokenizer's own files say."""
    batch = tokenizer(texts, padding="max_length", truncation=True, max_length=length, return_tensors="pt")
    return batch.input_ids


def _tokenizer(tokenizer_class: Any, folder: Path, what: str) -> Any:
    if not any((folder / name).is_file() for name in VOCABULARIES):  # the library would make one of nothing
        raise UserError(f"{folder} holds no {what}: none of {', '.join(VOCABULARIES)} is there.")
    try:
        return tokenizer_class.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # a broken file makes the library raise a dozen kinds of error
        raise UserError(f"{folder} cannot be read as a {what}: {first_line(error)}") from error


def _check_vocabulary(folder: Path, tokenizer: Any, model: Any) -> None:
    if len(tokenizer) > model.config.vocab_size:
        raise UserError(
            f"{folder} has {len(tokenizer)} tokens but the text encoder beside it knows "
            f"{model.config.vocab_size}: they do not belong together."
        )
