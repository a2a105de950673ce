import numpy as np
import torch
from PIL import Image

from editmgt.editing.picture import explain_row, stack_rows

SOURCE = Image.new("RGB", (32, 16), (200, 40, 40))
EDITED = Image.new("RGB", (32, 16), (40, 40, 200))
LOCALIZATION = torch.linspace(0, 1, 8).view(2, 4)
HELD = LOCALIZATION.repeat_interleave(2, 0).repeat_interleave(2, 1) < 0.5


def colours(image: Image.Image) -> set[tuple[int, ...]]:
    return {tuple(colour) for colour in np.array(image).reshape(-1, 3).tolist()}


def test_row_shows_every_panel() -> None:
    row = explain_row(SOURCE, "make it blue", EDITED, LOCALIZATION, HELD)
    with_target = explain_row(SOURCE, "make it blue", EDITED, LOCALIZATION, HELD, target=EDITED)
    assert with_target.width > row.width > 4 * 256 and with_target.height == row.height
    assert {(200, 40, 40), (40, 40, 200)} <= colours(row)


def test_long_instructions_wrap() -> None:
    short = explain_row(SOURCE, "make it blue", EDITED, LOCALIZATION, HELD)
    long = explain_row(SOURCE, "make it blue and " * 20, EDITED, LOCALIZATION, HELD)
    assert long.width == short.width and long.height > short.height


def test_rows_stack() -> None:
    row = explain_row(SOURCE, "make it blue", EDITED, LOCALIZATION, HELD)
    stacked = stack_rows([row, row, row])
    assert stacked.size == (row.width, 3 * row.height)


def test_any_size_is_drawn() -> None:
    for size, grid in (((2000, 10), (2, 400)), ((1, 1), (1, 1)), ((1500, 900), (38, 62))):
        image = Image.new("RGB", size)
        explain_row(image, "x", image, torch.rand(grid), torch.rand(grid) < 0.5)
