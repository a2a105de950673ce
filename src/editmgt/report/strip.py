"""The pictures on which the cells disagree most, side by side."""

from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from editmgt.editing.picture_files import png
from editmgt.metrics.registry import REGISTRY
from editmgt.report.analysis import Analysis, pictures

ROWS = 6  # samples
SIDE = 160  # pixels of a panel
_GAP, _LABEL = 8, 34
_TIES = "whole/l1"  # parts samples that a 0/1 primary leaves equal


def strip(analysis: Analysis) -> tuple[bytes | None, str]:
    """Return a PNG and its caption; None, and why, where there are no pictures."""
    folders = pictures(analysis)
    cells = [name for name in map(analysis.design.label, analysis.distinct) if name in folders]
    if analysis.scores is None or len(cells) < 2:
        return (
            None,
            "it takes the edited pictures of two cells, CELL/images/SAMPLE_ID.png, and they were not kept",
        )
    chosen = list(islice((i for i in disagreement(analysis) if _paths(analysis, folders, i, cells)), ROWS))
    if not chosen:
        return None, "no sample has a picture in two cells"
    font = ImageFont.load_default(11)
    width, height = len(folders) * (SIDE + _GAP) + _GAP, SIDE + _LABEL + _GAP
    head = 16 * max(name.count(", ") + 1 for name in folders)
    page = Image.new("RGB", (width, len(chosen) * height + head), "white")
    draw = ImageDraw.Draw(page)
    for column, name in enumerate(folders):
        draw.multiline_text(
            (column * (SIDE + _GAP) + _GAP, 2), name.replace(", ", "\n"), fill=(32, 32, 36), font=font
        )
    for row, index in enumerate(chosen):
        top = row * height + head
        sample_id, _, edit_type, instruction, _ = analysis.scores.samples[index]
        draw.text(
            (_GAP, top + 4),
            f"{sample_id} ({edit_type}): {instruction}"[: width // 6],
            fill=(32, 32, 36),
            font=font,
        )
        for name, path in _paths(analysis, folders, index, list(folders)).items():
            with Image.open(path) as image:
                picture = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.NEAREST)
            page.paste(picture, ([*folders].index(name) * (SIDE + _GAP) + _GAP, top + _LABEL - 12))
    return (
        png(page),
        f"The {len(chosen)} samples on which the cells disagree most in {analysis.primary}",
    )


def disagreement(analysis: Analysis, by: str | None = None) -> list[int]:
    """Return the samples of the shown noise seed by a metric's spread over the shown cells, widest first.

    ``by`` is the primary metric unless given; samples on which the cells agree are left out.
    """
    scores = analysis.scores
    assert scores is not None
    spreads = []
    for metric in (by or analysis.primary, _TIES):
        values = [scores.values(scores.frames[levels, scores.seeds[0]], metric) for levels in analysis.shown]
        spread = np.nan_to_num(np.ptp(np.stack(values), axis=0), nan=-1.0)  # undefined somewhere: last
        spreads.append(spread if metric in REGISTRY else np.zeros_like(spread))
    order = np.lexsort((-spreads[1], -spreads[0]))
    of_seed = scores.samples.get_level_values("seed") == analysis.noise_seed
    return [int(i) for i in order if of_seed[i] and (spreads[0][i] > 0 or spreads[1][i] > 0)]


def _paths(analysis: Analysis, folders: dict[str, Path], index: int, names: list[str]) -> dict[str, Path]:
    """The pictures of a sample among ``names``; none where fewer than two are there."""
    assert analysis.scores is not None
    sample_id = str(analysis.scores.samples[index][0])
    if Path(sample_id).name != sample_id:
        return {}  # would leave the folder
    found = {name: folders[name] / f"{sample_id}.png" for name in names}
    found = {name: path for name, path in found.items() if path.is_file()}
    return found if len(found) > 1 else {}
