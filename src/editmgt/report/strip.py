"""The pictures on which the cells disagree most, side by side."""

import os
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from editmgt.editing.lettering import font_for, wrapped
from editmgt.editing.picture_files import png
from editmgt.metrics.registry import REGISTRY
from editmgt.report.analysis import Analysis
from editmgt.results.reference import SHOWN_CONTROLS

ROWS = 6  # samples
SIDE = 160  # pixels of a panel
_GAP, _LABEL = 8, 34
_TIES = "whole/l1"  # parts samples that a 0/1 primary leaves equal


def strip(analysis: Analysis) -> tuple[bytes | None, str]:
    """Return a PNG and its caption; None, and why, where there are no pictures."""
    folders = pictures(analysis)
    cells = [paths for levels, paths in folders.items() if levels not in SHOWN_CONTROLS]
    why = "no sample has a picture in two cells"
    if analysis.scores is None or len(cells) < 2:
        return None, why
    samples = analysis.scores.samples
    pictured = (i for i in disagreement(analysis) if sum(samples[i][0] in of for of in cells) > 1)
    chosen = list(islice(pictured, ROWS))
    if not chosen:
        return None, why
    font = ImageFont.load_default(11)
    width, height = len(folders) * (SIDE + _GAP) + _GAP, SIDE + _LABEL + _GAP
    names = [name if name in SHOWN_CONTROLS else analysis.design.label(name) for name in folders]
    # a line for each setting, more for a long one such as a path
    titles = ["\n".join(wrapped(part, font, SIDE) for part in name.split(", ")) for name in names]
    head = 16 * max(title.count("\n") + 1 for title in titles)
    page = Image.new("RGB", (width, len(chosen) * height + head), "white")
    draw = ImageDraw.Draw(page)
    for column, title in enumerate(titles):
        draw.multiline_text((column * (SIDE + _GAP) + _GAP, 2), title, fill=(32, 32, 36), font=font)
    for row, index in enumerate(chosen):
        top = row * height + head
        sample_id, _, edit_type, instruction, _ = samples[index]
        text = " ".join(f"{sample_id} ({edit_type}): {instruction}".split())[: width // 6]
        draw.text((_GAP, top + 4), text, fill=(32, 32, 36), font=font_for(text, 11))
        for column, paths in enumerate(folders.values()):
            if sample_id in paths:
                with Image.open(paths[sample_id]) as image:
                    picture = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.NEAREST)
                page.paste(picture, (column * (SIDE + _GAP) + _GAP, top + _LABEL - 12))
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


def pictures(analysis: Analysis) -> dict[Any, dict[str, str]]:
    """Return pictures by sample: of source and target, then of the cells that are shown, by their levels."""
    found: dict[Any, dict[str, str]] = {
        name: {
            sample: path
            for line in analysis.lines
            if line.kind == "control" and line.run.path.name == control
            for sample, path in _pictures(line.run.path).items()
        }
        for name, control in SHOWN_CONTROLS.items()
    }
    found |= {levels: _pictures(line.run.path) for levels, line in analysis.shown.items()}
    return {name: paths for name, paths in found.items() if paths}


def _pictures(directory: Path) -> dict[str, str]:
    """A run's pictures by sample, in whatever folders its benchmark's official scorer wants them."""
    return {
        # thousands: a Path each would take as long as reading them
        name.removesuffix(".png"): f"{folder}/{name}"
        for folder, _, names in os.walk(directory / "images")
        for name in names
        if name.endswith(".png")
    }
