"""A CLIP tokenizer for the scenes' language: byte-pair encoding learnt from the grammar's own sentences."""

import json
from typing import Any

from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import CLIPTokenizer

from editmgt.data.scenes.dataset import SceneDataset

_SENTENCES = 4000
_VOCABULARY = 1000
_MARKS = ["<|startoftext|>", "<|endoftext|>"]


def scene_tokenizer(length: int) -> CLIPTokenizer:
    """A ``CLIPTokenizer`` of ``length`` tokens: the grammar's words are single tokens, all else is spelt by bytes."""
    scenes = SceneDataset("train", seed=-1, size=_SENTENCES, resolution=16)
    samples = [scenes[i] for i in range(_SENTENCES)]
    tokenizer = CLIPTokenizer().backend_tokenizer  # CLIP's own normalisation and word splitting
    trainer = BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=_MARKS,
        initial_alphabet=ByteLevel.alphabet(),
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(
        [text for sample in samples for text in (sample.instruction, sample.target_caption)], trainer=trainer
    )
    model = json.loads(tokenizer.to_str())["model"]
    merges: Any = [tuple(merge) for merge in model["merges"]]  # annotated as text, read as pairs
    return CLIPTokenizer(vocab=model["vocab"], merges=merges, model_max_length=length)
