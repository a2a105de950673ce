"""What becomes of the text encoder, and of what it read."""

from pathlib import Path

import pytest
import torch

from editmgt.editing import Editor
from editmgt.editing.reading import Reader, stacked
from editmgt.errors import UserError

CPU = torch.device("cpu")


@pytest.fixture
def editor(tiny_bundle: Path) -> Editor:
    return Editor.from_pretrained(tiny_bundle)


def counted(reader: Reader) -> list[int]:
    """Numbers of texts of each pass through the text encoder from now on."""
    seen: list[int] = []
    reader.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    return seen


def test_each_text_is_read_once_and_what_is_needed_again_stays(editor: Editor) -> None:
    reader = editor.reader
    seen = counted(reader)
    texts = ["remove the star", "make it blue", "remove the star"]
    read = reader.read([*texts, "blurry"], CPU, batch_size=2)
    assert seen == [2, 1]
    for ours, directly in zip(stacked(read, texts), reader.encoder.encode(texts), strict=True):
        torch.testing.assert_close(ours, directly)
    reader.read(["make it red", "blurry"], CPU, batch_size=2)
    assert seen == [2, 1, 3, 1]  # the three are this test's own


def test_a_text_encoder_that_learns_is_read_anew(editor: Editor) -> None:
    reader = editor.reader
    reader.encoder.requires_grad_(True)
    before = reader.read(["blurry"], CPU, 4)["blurry"]
    with torch.no_grad():
        for parameter in reader.encoder.parameters():
            parameter.add_(0.1)
    assert not torch.equal(reader.read(["blurry"], CPU, 4)["blurry"].states_BTD, before.states_BTD)


def test_states_follow_the_dtype(editor: Editor) -> None:
    editor.reader.read(["a"], CPU, 4)
    editor.text_encoder.bfloat16()
    assert editor.reader.read(["a"], CPU, 4)["a"].pooled_BP.dtype == torch.bfloat16


def test_dropped_it_reads_no_other_text(tiny_bundle: Path) -> None:
    editor = Editor.from_pretrained(tiny_bundle, text_encoder_afterwards="drop")
    editor.reader.read(["remove the star", ""], CPU, 4)
    assert all(parameter.is_meta for parameter in editor.text_encoder.parameters())
    assert len(editor.reader.read(["", "remove the star"], CPU, 4)) == 2  # of the next picture
    with pytest.raises(UserError, match="dropped after the first edit and cannot read 'make it blue'"):
        editor.reader.read(["make it blue", ""], CPU, 4)


def test_offloaded_it_waits_on_the_cpu(tiny_bundle: Path) -> None:
    editor = Editor.from_pretrained(tiny_bundle, text_encoder_afterwards="offload")
    editor.to("meta")  # stands in for an accelerator
    assert editor.device.type == "meta" and editor.text_encoder.model.device == CPU


def test_an_unknown_word(tiny_bundle: Path) -> None:
    with pytest.raises(UserError, match=r"must be one of keep, offload, drop. Did you mean 'offload'"):
        Editor.from_pretrained(tiny_bundle, text_encoder_afterwards="ofload")
