import shutil
from pathlib import Path

import pytest
import torch
from released_parts import write_llm
from safetensors.torch import load_file, save_file

from editmgt.editing import Editor
from editmgt.errors import UserError
from editmgt.text import LanguageModel, TextEncoder


@pytest.fixture(scope="module")
def text_encoder(tiny_editor: Editor) -> TextEncoder:
    return tiny_editor.text_encoder


def test_tokens_are_padded_and_cut(text_encoder: TextEncoder) -> None:
    tokenizer = text_encoder.tokenizer
    ids = text_encoder.tokenize(["", "make the red circle blue", "make the red circle blue " * 9])
    assert ids.shape == (3, 16) and ids.dtype == torch.long
    assert (ids[:, 0] == tokenizer.bos_token_id).all()
    assert (ids[0, 1:] == tokenizer.eos_token_id).all()
    assert ids[2, -1] == tokenizer.eos_token_id and tokenizer.eos_token_id not in ids[2, :-1]


def test_states_are_the_second_last_layers(text_encoder: TextEncoder) -> None:
    ids = text_encoder.tokenize(["make the red circle blue", "remove the large star"])
    with torch.no_grad():
        states, pooled = text_encoder(ids)
        tower = text_encoder.model.text_model
        hidden = tower.embeddings(ids)
        causal = torch.full((16, 16), -torch.inf).triu(1)[None, None]
        *layers, last = tower.encoder.layers
        for layer in layers:
            hidden = layer(hidden, causal)
        end = (ids == text_encoder.tokenizer.eos_token_id).int().argmax(dim=1)
        final = tower.final_layer_norm(last(hidden, causal))[torch.arange(2), end]
    assert torch.allclose(states, hidden, atol=1e-6)
    assert torch.allclose(pooled, text_encoder.model.text_projection(final), atol=1e-6)


def test_gradients_flow(text_encoder: TextEncoder) -> None:
    text_encoder.requires_grad_(True)
    states, pooled = text_encoder.encode(["remove the large star"])
    (states.sum() + pooled.sum()).backward()
    assert text_encoder.model.get_input_embeddings().weight.grad is not None
    text_encoder.zero_grad(set_to_none=True)
    text_encoder.requires_grad_(False)  # as it is in an editor


def test_what_is_cut_is_told(text_encoder: TextEncoder) -> None:
    assert text_encoder.truncated("Make the RED circle blue") == ""
    long = "make the red circle blue and  make the red circle blue, REMOVE the large star"
    cut = text_encoder.truncated(long)
    assert cut and long.endswith(cut)
    kept = long.removesuffix(cut)
    assert text_encoder.truncated(kept) == ""
    assert torch.equal(text_encoder.tokenize([kept]), text_encoder.tokenize([long]))


def test_a_word_is_found_in_the_states_tokens(text_encoder: TextEncoder) -> None:
    text = "make the red circle blue, the Red one"
    for word, times in (("red", 2), ("RED", 2), ("circle", 1), ("red circle", 1)):
        rows = text_encoder.rows_of(text, word)
        assert rows.shape == (text_encoder.length,) and rows.dtype == torch.bool
        ids = text_encoder.tokenize([text])[0][rows].tolist()
        own = text_encoder.tokenizer(word).input_ids[1:-1]
        assert ids == own * times
    for absent in ("hat", "re", "blues"):
        assert not text_encoder.rows_of(text, absent).any()
    assert not text_encoder.rows_of("make the circle blue " * 9 + "star", "star").any()  # it is cut off


def test_a_word_is_found_behind_padding(text_encoder: TextEncoder, tmp_path: Path) -> None:
    """Gemma pads on the left, and its states are the language model's."""
    write_llm(tmp_path)
    reading = TextEncoder(text_encoder.model, text_encoder.tokenizer, LanguageModel.from_pretrained(tmp_path))
    rows = reading.rows_of("QQ circle ZZ", "circle")
    ids = reading.tokenize(["QQ circle ZZ"])[0, reading.clip_length :]
    assert reading.states_tokenizer.decode(ids[rows]).strip() == "circle"


def test_round_trip_on_disk(text_encoder: TextEncoder, tmp_path: Path) -> None:
    text_encoder.save_pretrained(tmp_path)
    loaded = TextEncoder.from_pretrained(tmp_path)
    assert loaded.length == text_encoder.length
    for ours, theirs in zip(
        loaded.encode(["make it blue"]), text_encoder.encode(["make it blue"]), strict=True
    ):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("damage", ["missing", "mismatched"])
def test_every_key_is_checked(
    tiny_bundle: Path, tmp_path: Path, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny_bundle, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "text_encoder" / "model.safetensors"
    state = load_file(path)
    weight = state.pop("text_projection.weight")
    if damage == "mismatched":
        state["text_projection.weight"] = weight[:3].clone()
    save_file(state, path, metadata={"format": "pt"})
    with pytest.raises(UserError, match=f"{damage} text_projection.weight"):
        TextEncoder.from_pretrained(tmp_path)
    assert capfd.readouterr() == ("", "")  # no report of the library's own


@pytest.mark.parametrize("damage", ["absent", "garbage", "another's"])
def test_tokenizer_must_fit(tiny_bundle: Path, tmp_path: Path, damage: str) -> None:
    shutil.copytree(tiny_bundle, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "tokenizer" / "tokenizer.json"
    if damage == "absent":
        path.unlink()
    elif damage == "garbage":
        path.write_text("{")
    else:
        tokenizer = TextEncoder.from_pretrained(tmp_path).tokenizer
        tokenizer.add_tokens([f"word{i}" for i in range(5)])
        tokenizer.save_pretrained(path.parent)
    with pytest.raises(UserError, match="tokenizer") as caught:
        TextEncoder.from_pretrained(tmp_path)
    assert "\n" not in str(caught.value)
