"""The pictures of a report: the strip of edits, and its figures."""

import io
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from stored_sweep import write_sweep
from two_parts import HOLD

from editmgt.report import figures, strip
from editmgt.report.analysis import Analysis, analyse
from editmgt.report.gallery import gallery
from editmgt.report.strip import disagreement


def test_the_strip_is_of_cells_that_disagree_and_not_of_seeds(tmp_path: Path) -> None:
    """Sample 1 is solved by one training and not by the other, whatever the cell; sample 2 by one cell alone."""

    def score(levels: dict[str, Any], seed: int, i: int) -> dict[str, float]:
        return {"edit/success": {1: float(seed == 0), 2: float(levels[HOLD])}.get(i, 1.0)}

    write_sweep(tmp_path, {HOLD: [True, False]}, [0, 1], score)
    analysis = analyse(tmp_path)
    assert analysis.scores is not None
    assert [analysis.scores.samples[i][0] for i in disagreement(analysis)] == ["s2"]


def test_a_long_name_stays_above_its_own_column(tmp_path: Path) -> None:
    names = [f"somewhere_{'deeply_' * 12}{name}" for name in ("one", "other")]
    key = "checkpoint"
    write_sweep(
        tmp_path, {key: names}, [0], lambda levels, _, i: {"edit/success": float(levels[key] == names[0])}
    )
    for cell in {path.parent for path in tmp_path.glob("*/samples.csv")}:
        (cell / "images").mkdir()
        for i in range(4):
            Image.new("RGB", (8, 8), "black").save(cell / "images" / f"s{i}.png")
    found, caption = strip.strip(analyse(tmp_path))
    assert found is not None, caption
    page = np.asarray(Image.open(io.BytesIO(found)).convert("L"))
    column = strip.SIDE + 8
    assert page.shape[1] == 2 * column + 8
    first_picture = int((page[:, 8 : column - 1] == 0).all(axis=1).argmax())
    head = page[: first_picture - 40]  # above the first sample's line
    assert (head < 128).any(axis=0)[8:column].any() and (head < 128).any(axis=0)[column + 8 :].any()
    assert (head[:, column : column + 8] == 255).all() and (head[:, -8:] == 255).all()


def noise_seeds_score(levels: dict[str, Any], seed: int, i: int) -> dict[str, float]:
    """The cells disagree on sample 2 under noise seed 0; on samples 2 and 3, and more, under noise seed 1."""
    if not levels[HOLD] and i in ((2,), (2, 3))[seed]:
        return {"edit/success": 0.0, "whole/l1": 0.5 + 0.1 * seed}
    return {"edit/success": 1.0, "whole/l1": 0.1}


def write_noise_seeds(directory: Path) -> Path:
    """A sweep over two noise seeds of one editor; a picture's colour says its cell, its seed and its sample."""
    write_sweep(directory, {HOLD: [True, False]}, [0, 1], noise_seeds_score, samples=4)
    for hold, seed in itertools.product((True, False), (0, 1)):
        cell = directory / f"region_hold-{str(hold).lower()}__seed-{seed}"
        config = yaml.safe_load((cell / "config.yaml").read_text()) | {"task": "evaluate"}
        (cell / "config.yaml").write_text(yaml.safe_dump(config))
        rows = (cell / "samples.csv").read_text()
        (cell / "samples.csv").write_text(rows.replace(",0,ok,", f",{seed},ok,"))
        (cell / "images").mkdir()
        for i in range(4):
            colour = (200 if hold else 50, 200 if seed else 50, 40 * i)
            Image.new("RGB", (8, 8), colour).save(cell / "images" / f"s{i}.png")
    return directory


def colours(strip_png: bytes) -> list[list[tuple[int, int, int]]]:
    """The colours in the middle of a strip's pictures, a list for each of its rows of pictures."""
    with Image.open(io.BytesIO(strip_png)) as image:
        pixels = np.asarray(image.convert("RGB"))
    width, height = (strip.SIDE + 8, strip.SIDE + 42)
    head = pixels.shape[0] % height
    return [
        [tuple(map(int, pixels[top + height // 2, left + width // 2])) for left in range(0, pixels.shape[1] - 8, width)]
        for top in range(head, pixels.shape[0], height)
    ]  # fmt: skip


@pytest.mark.parametrize("folder", ["images", "images/fullset/add"])
def test_the_strip_is_of_one_noise_seed(tmp_path: Path, folder: str) -> None:
    """Wherever a benchmark's official scorer wants the pictures."""
    for images in write_noise_seeds(tmp_path).glob("*/images"):
        moved = images.rename(images.with_name("moved"))
        (images.parent / folder).parent.mkdir(parents=True, exist_ok=True)
        moved.rename(images.parent / folder)
    analysis = analyse(tmp_path)
    picture, said = strip.strip(analysis)
    assert picture is not None and said.startswith("The 1 samples ")
    assert colours(picture) == [[(200, 50, 80), (50, 50, 80)]]


def test_pictures_are_of_the_noise_seed_that_most_cells_have(tmp_path: Path) -> None:
    """A cell that failed under the first seed is not shown beside another seed's picture, in strip and gallery."""
    failed = write_noise_seeds(tmp_path) / "region_hold-false__seed-0"
    (failed / "status.json").write_text('{"state": "failed", "error": "out of memory"}')
    analysis = analyse(tmp_path)
    picture, _ = strip.strip(analysis)
    assert picture is not None
    assert colours(picture) == [[(200, 200, 80), (50, 200, 80)], [(200, 200, 120), (50, 200, 120)]]
    shown = gallery(analysis)
    assert shown is not None and shown["of"] == 4
    scores = {sample["id"]: [of_cell[0] for of_cell in sample["scores"]] for sample in shown["samples"]}
    assert scores == {"s0": [1, 1], "s1": [1, 1], "s2": [1, 0], "s3": [1, 0]}


def test_figures_are_drawn_of_whatever_types_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    """Dollars are no formula, letters that the font lacks no warning, and no picture is too wide to be one."""
    monkeypatch.setattr(figures, "_LARGEST", 7)
    write_sweep(tmp_path, {HOLD: [True, False]}, [0], lambda *_: {"edit/success": 1.0}, samples=8)
    for path in tmp_path.glob("*/samples.csv"):
        frame = pd.read_csv(path)
        frame["edit_type"] = [f"cost ${i} to $\\frac$ 编辑" for i in frame.index]
        frame.to_csv(path, index=False)
    found, _, _ = figures.draw_all(analyse(tmp_path))
    with Image.open(io.BytesIO(found["types.png"])) as image:
        assert image.width == 7 * 130 and not recwarn.list


@pytest.mark.parametrize("draw", [figures.types, figures.tradeoff])
def test_a_legend_of_many_cells_is_whole_and_covers_nothing(
    tmp_path: Path, draw: Callable[[Analysis], Any]
) -> None:
    names = [f"an_editor_of_some_length_{i}" for i in range(30)]
    scores = {"edit/success": 1.0, "outside/l1": 0.1}
    write_sweep(tmp_path, {"checkpoint": names}, [0], lambda *_: scores, samples=2)
    drawing = draw(analyse(tmp_path))
    FigureCanvasAgg(drawing).draw()
    [legend], [axes] = drawing.legends, drawing.axes
    box, above = legend.get_window_extent(), axes.get_window_extent()
    assert box.y0 >= 0 and box.y1 < above.y0 and above.height > 200
    assert box.x0 >= 0 and box.x1 <= drawing.bbox.x1


def test_the_front_is_what_no_other_beats_on_both() -> None:
    points = [(0.3, 0.9), (0.1, 0.5), (0.2, 0.4), (0.2, 0.7), (0.1, 0.2), (0.4, 0.9)]
    assert figures.pareto_front(points) == [1, 3, 0]
