"""The gallery's samples: source, target and every cell's picture in one small sheet each, with maps and scores."""

import base64
import io
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from editmgt.evaluation.kept_maps import KeptMap, read_maps
from editmgt.metrics.registry import REGISTRY
from editmgt.report.analysis import Analysis
from editmgt.report.numbers import metric_title
from editmgt.report.strip import disagreement, pictures
from editmgt.results.reference import SHOWN_CONTROLS

PICTURES = 1600  # that a page holds at most, over all samples
BYTES = 11_000_000  # of their sheets and maps, as text in the page
SIDE = 160  # pixels: larger pictures are scaled down to it
_COLUMNS = 32  # of a sheet: browsers decode none that is very wide
_SCORES = ("inside/l1", "outside/l1", "whole/l1")  # shown and sorted by, beside the primary metric


def gallery(analysis: Analysis) -> dict[str, Any] | None:
    """Return what the page's script shows, as plain JSON values; None where no run kept its edited pictures.

    The samples are those on which the cells disagree most, of every edit type alike, as far as the page can hold them.
    """
    if analysis.scores is None:
        return None
    folders = pictures(analysis)
    cells = {levels: paths for levels, paths in folders.items() if levels not in SHOWN_CONTROLS}
    if not cells:
        return None
    scores, seed = analysis.scores, analysis.scores.seeds[0]
    shown = [name for name in dict.fromkeys((analysis.primary, *_SCORES)) if name in scores.metrics]
    maps = {levels: read_maps(analysis.shown[levels].run.path) for levels in cells}
    rows_of = {
        str(name): i
        for i, (name, *_, noise) in reversed([*enumerate(scores.samples)])
        if noise == analysis.noise_seed
    }
    pictured = {i for name, i in rows_of.items() if any(name in paths for paths in cells.values())}
    orders = {title: [i for i in order if i in pictured] for title, order in _orders(analysis, shown)}
    chosen = _chosen(next(iter(orders.values())), scores.edit_types, PICTURES // len(folders))

    def sample(i: int) -> dict[str, Any]:
        name, _, edit_type, instruction, _ = map(str, scores.samples[i])
        sheet = _sheet([paths.get(name) for paths in folders.values()])
        rows = [scores.frames[levels, seed] for levels in cells]
        return sheet | {
            "id": name,
            "type": edit_type,
            "text": instruction,
            "scores": [
                [_number(row.columns[m][i]) if m in row.columns else None for m in shown] for row in rows
            ],
            "maps": [_map(maps[levels].get(name)) for levels in cells],
        }

    made = dict(zip(chosen, _within(map(sample, chosen)), strict=False))
    position = {i: at for at, i in enumerate(made)}
    return {
        "cells": [analysis.design.label(levels) for levels in cells],
        "fixed": [name for name in SHOWN_CONTROLS if name in folders],
        "metrics": [metric_title(name) for name in shown],
        "binary": [name.startswith("edit/success") for name in shown],
        "orders": [[title, [position[i] for i in order if i in position]] for title, order in orders.items()],
        "of": len(pictured),
        "has_maps": any(maps.values()),
        "samples": [*made.values()],
    }


def pages(analysis: Analysis) -> Iterator[tuple[str, str]]:
    """Yield each row's name and page of pictures as a data URI, for runs that kept no other; as many as fit."""
    left = BYTES
    for line in analysis.lines:
        path = line.run.page
        if line.metrics and path.is_file():
            with Image.open(path) as image:
                uri = _uri(_scaled(image.convert("RGB"), 1200, 16000))
            left -= len(uri)
            if left > 0:
                yield line.name, uri


def _orders(analysis: Analysis, metrics: Sequence[str]) -> Iterator[tuple[str, list[int]]]:
    assert analysis.scores is not None
    everyone = [*range(len(analysis.scores.samples))]
    seed = analysis.scores.seeds[0]
    rows = [analysis.scores.frames[levels, seed] for levels in analysis.shown]
    if len(rows) > 1:
        for name in metrics:
            yield (
                f"where the cells disagree most: {name}",
                [*dict.fromkeys([*disagreement(analysis, name), *everyone])],
            )
    for name in metrics:
        if (direction := REGISTRY[name].direction) != "neither":
            values = np.stack([analysis.scores.values(row, name) for row in rows])
            defined = np.isfinite(values)
            mean = np.where(defined, values, 0).sum(0) / np.maximum(defined.sum(0), 1)
            worst = np.where(defined.any(0), mean if direction == "higher" else -mean, np.inf)
            yield f"worst first: {name}", np.argsort(worst, kind="stable").tolist()
    yield "as in the benchmark", everyone


def _chosen(order: Sequence[int], types: np.ndarray, limit: int) -> list[int]:
    """The first of each edit type, then the second of each, and so on, up to ``limit``."""
    queues: dict[str, deque[int]] = {}
    for i in order:
        queues.setdefault(str(types[i]), deque()).append(i)
    chosen: list[int] = []
    while len(chosen) < limit and any(queues.values()):
        chosen += [queue.popleft() for queue in queues.values() if queue]
    return chosen[:limit]


def _within(samples: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Samples until the page is full."""
    left = BYTES
    for sample in samples:
        left -= len(sample["sheet"]) + sum(len(found[1]) + len(found[3]) for found in sample["maps"] if found)
        if left < 0:
            return
        yield sample


def _sheet(paths: Sequence[str | None]) -> dict[str, Any]:
    """Pictures side by side as one JPEG; equal ones are there once, and ``slots`` says where each is, -1: nowhere."""
    places: dict[bytes, int] = {}
    contents = [b"" if path is None else Path(path).read_bytes() for path in paths]
    slots = [places.setdefault(content, len(places)) if content else -1 for content in contents]
    tiles = []
    for content in places:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            tiles.append(_scaled(image.convert("RGB"), SIDE, SIDE))
    width, height = (max(tile.size[axis] for tile in tiles) for axis in (0, 1))
    columns = min(len(tiles), _COLUMNS)
    sheet = Image.new("RGB", (columns * width, -(-len(tiles) // columns) * height))
    for i, tile in enumerate(tiles):
        sheet.paste(tile.resize((width, height)), (i % columns * width, i // columns * height))
    return {"sheet": _uri(sheet), "slots": slots, "columns": columns, "size": [width, height]}


def _scaled(image: Image.Image, width: int, height: int) -> Image.Image:
    """The picture, no larger than that."""
    if image.width > width or image.height > height:
        image.thumbnail((width, height))
    return image


def _uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    # four times as quick as WebP, which has no colour of single pixels either
    image.save(buffer, "JPEG", quality=88, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _map(kept: KeptMap | None) -> list[Any] | None:
    return None if kept is None else [kept["map_shape"], kept["map"], kept["held_shape"], kept["held"]]


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
