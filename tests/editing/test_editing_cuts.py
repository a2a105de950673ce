"""Texts that are cut are counted before any work, and told in one line, however many they are."""

import warnings

import pytest

from editmgt.editing import Editor, InstructionCut
from editmgt.editing.cuts import count_line, cuts_of, told_once


def test_many_cuts_are_one_line_with_their_number() -> None:
    said: list[str] = []
    with told_once(said.append):
        for number in [*range(60), 7, 8]:  # what is edited again counts once
            warnings.warn(InstructionCut({f"instruction {number}": f"end {number}"}, 77), stacklevel=1)
        assert said == []
    assert said == [
        "Warning: 60 instructions are longer than the 77 tokens the text encoder reads; this was cut of the first: 'end 0'"
    ]


def test_one_cut_none_and_other_warnings() -> None:
    said: list[str] = []
    with pytest.warns(UserWarning, match="another") as others, told_once(said.append):
        warnings.warn("another", stacklevel=1)
    assert said == [] and len(others) == 1
    with pytest.raises(ZeroDivisionError), told_once(said.append):
        warnings.warn(InstructionCut({"make it": "red"}, 16), stacklevel=1)
        raise ZeroDivisionError
    assert said == [
        "Warning: the instruction is longer than the 16 tokens the text encoder reads; this was cut: 'red'"
    ]


def test_texts_are_counted_before_any_work(tiny_editor: Editor) -> None:
    long = "add a small green square to the left of the large red star and make the circle blue"
    texts = ["make it blue", long, "remove it", long, f"please {long}"]
    cuts = cuts_of(texts, tiny_editor.text_encoder)
    assert list(cuts) == [long, f"please {long}"] and all(text.endswith(cut) for text, cut in cuts.items())
    assert count_line(texts, tiny_editor.text_encoder, "instructions") == (
        "3 of 5 instructions are longer than the 16 tokens the text encoder reads; not read of the first: "
        f"'{cuts[long]}'"
    )
    assert count_line(texts[:1], tiny_editor.text_encoder, "instructions") == ""


def test_an_edit_of_several_pictures_warns_once(tiny_editor: Editor) -> None:
    from PIL import Image

    texts = [f"add a small green square to the left of the large red star number {n}" for n in range(3)]
    with pytest.warns(InstructionCut, match="^3 instructions are longer than the 16 tokens") as found:
        tiny_editor.edit([Image.new("RGB", (32, 32))] * 3, texts, steps=1)
    assert len(found) == 1
