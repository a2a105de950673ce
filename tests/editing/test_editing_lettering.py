"""Instructions are written in many alphabets, and with none of them in Pillow's own font but Latin."""

import numpy as np
import pytest
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from editmgt.editing import lettering
from editmgt.editing.lettering import font_for, wrapped


def drawn(text: str, font: lettering.Font) -> bytes:
    page = Image.new("L", (40, 40))
    ImageDraw.Draw(page).text((2, 2), text, fill=255, font=font)
    return np.asarray(page).tobytes()


def test_a_latin_text_is_in_pillows_own_font() -> None:
    for text in ("make the circle blue", "colorée, größer, ação", ""):
        assert font_for(text, 14).getname() == ImageFont.load_default(14).getname()  # type: ignore[union-attr]


@pytest.mark.parametrize("text", ["сделай круг синим", "κύκλος", "дом a"])
def test_letters_of_another_alphabet_are_no_boxes(text: str) -> None:
    font = font_for(text, 20)
    letters = {drawn(letter, font) for letter in text if not letter.isspace()}
    assert len(letters) == len({*text} - {" "})  # each has a form of its own
    box = drawn("с", ImageFont.load_default(20))
    assert box == drawn("κ", ImageFont.load_default(20)) and box not in letters


def test_letters_that_no_font_has_and_files_that_are_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    own = ImageFont.load_default(14).getname()  # type: ignore[union-attr]
    assert font_for("\U0010fffd", 14).getname() == own  # type: ignore[union-attr]
    broken = tmp_path_factory.mktemp("fonts") / "broken.ttf"
    broken.write_bytes(b"no font")
    entry = font_manager.FontEntry(
        fname=str(broken), name="DejaVu Sans", style="normal", weight=400, size="scalable"
    )
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [entry])
    lettering._fonts.cache_clear()
    try:
        assert font_for("дом", 14).getname() == own  # type: ignore[union-attr]
    finally:
        lettering._fonts.cache_clear()


@pytest.mark.parametrize("text", ["make the red circle blue " * 3, "把红色的圆变成蓝色" * 8, "a " + "b" * 90])
def test_a_title_is_no_wider_than_its_page(text: str) -> None:
    font = font_for(text, 14)
    lines = wrapped(text, font, 150).split("\n")
    assert len(lines) > 1 and all(font.getlength(line) <= 150 for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_a_path_breaks_between_its_folders() -> None:
    lines = wrapped("checkpoint=outputs/trainings/0123456789abcdef/editor", font_for("", 14), 150).split("\n")
    assert len(lines) > 2 and all(line.endswith("/") for line in lines[:-1])
