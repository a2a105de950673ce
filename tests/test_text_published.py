"""Texts of published CLIP weights, tokenized as their own environment did: transformers 4.47.1 with ftfy 6.3.1."""

import gzip
import json
from pathlib import Path

import open_clip
import pytest
import torch
from released_parts import write_llm
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from editmgt.editing import Editor
from editmgt.text import LanguageModel, TextEncoder

RECORDED = Path(__file__).parent / "clip_tokens.json"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    """OpenAI's vocabulary, which open_clip ships, as vocab.json and merges.txt beside a tiny model."""
    folder = tmp_path_factory.mktemp("published")
    with gzip.open(
        Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz", "rt", encoding="utf-8"
    ) as file:
        merges = file.read().split("\n")[1 : 49152 - 256 - 2 + 1]
    letters = sorted(ByteLevel.alphabet(), key=lambda letter: (ord(letter) > 255, ord(letter)))
    words = [
        *letters,
        *(f"{letter}</w>" for letter in letters),
        *("".join(merge.split()) for merge in merges),
    ]
    words += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "tokenizer" / "merges.txt").write_text(
        "#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8"
    )
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "pad_token": "!"}
    (folder / "tokenizer" / "tokenizer_config.json").write_text(json.dumps(config))
    model = CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=4,
            intermediate_size=4,
            projection_dim=4,
            num_hidden_layers=2,
            num_attention_heads=1,
        )
    )
    model.save_pretrained(folder / "text_encoder")
    return TextEncoder.from_pretrained(folder)


def test_ids_are_those_that_were_recorded(published: TextEncoder) -> None:
    """Typographic quotes, HTML entities, ligatures, full-width letters, Chinese, broken encodings, Greek sigmas."""
    recorded = json.loads(RECORDED.read_text())["recorded"]
    assert len(recorded) > 50
    for row in recorded:
        ids = published.tokenize([row["text"]])[0].tolist()
        assert ids[: len(row["ids"])] == row["ids"], row["text"]


def test_cleaning_is_what_makes_the_difference(published: TextEncoder) -> None:
    recorded = {row["text"]: row["ids"] for row in json.loads(RECORDED.read_text())["recorded"]}
    raw = {text for text, ids in recorded.items() if published.tokenizer(text).input_ids != ids}
    assert {"the cat’s hat", "ﬁnd the ﬂower", "ΟΔΟΣ ΣΑΣ"} < raw and "把帽子变成红色" not in raw


def test_a_word_is_found_in_the_cleaned_text(published: TextEncoder) -> None:
    text = "Make&nbsp;the CAT’S “ﬂower” red"
    for word, ids in (("cat's", "cat's"), ("CAT’S", "cat's"), ("flower", "flower"), ("ﬂower", "flower")):
        rows = published.rows_of(text, word)
        assert published.tokenize([text])[0][rows].tolist() == published.tokenizer(ids).input_ids[1:-1]
    assert not published.rows_of(text, "nbsp").any() and not published.rows_of(text, "&nbsp;").any()


def test_what_is_cut_is_told_of_the_cleaned_text(published: TextEncoder) -> None:
    assert published.truncated("&amp;" * 60) == ""
    assert published.truncated("the cat’s hat " * 20).endswith("the cat's hat")


def test_cleaning_survives_being_saved(published: TextEncoder, tmp_path: Path) -> None:
    """A fine-tuned editor keeps its published vocabulary, and so the reading of its texts."""
    published.save_pretrained(tmp_path)
    loaded = TextEncoder.from_pretrained(tmp_path)
    assert loaded.cleans and torch.equal(
        loaded.tokenize(["the cat’s hat"]), published.tokenize(["the cat's hat"])
    )


def test_only_clips_text_is_cleaned(published: TextEncoder, tiny_editor: Editor, tmp_path: Path) -> None:
    """A language model's tokenizer never went through ftfy, and the miniature's own vocabulary learnt without."""
    curly, straight = "the cat’s hat", "the cat's hat"
    assert not tiny_editor.text_encoder.cleans
    own, other = tiny_editor.text_encoder.tokenize([curly, straight])
    assert not torch.equal(own, other)
    write_llm(tmp_path)
    both = TextEncoder(published.model, published.tokenizer, LanguageModel.from_pretrained(tmp_path))
    own, other = both.tokenize([curly, straight])
    assert torch.equal(own[: both.clip_length], other[: both.clip_length])
    assert both.rows_of(curly, "cat’s").any() and not both.rows_of(curly, "cat's").any()
