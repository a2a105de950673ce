"""A cell's samples as a table that people look at: a row for each, and beside the first ones their pictures."""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from editmgt.benchmarks import build
from editmgt.benchmarks.lookup import picture_path
from editmgt.config.benchmark import Benchmark
from editmgt.editing.picture_files import read_image
from editmgt.evaluation.kept_maps import KeptMap, read_maps
from editmgt.results import RunDirectory

if TYPE_CHECKING:
    from torch import Tensor

PICTURES = ("source", "target", "edited", "map")
SIDE = 512  # the longest of a picture, in pixels: a released editor's own are megabytes each
_FIRST = ("sample_id", *PICTURES, "instruction", "edit_type")


def sample_table(
    directory: Path, benchmark: Benchmark | None, pictures: int
) -> tuple[list[str], list[list[Any]]]:
    """Return columns and rows of the cell in ``directory``, the same columns in all cells of a sweep.

    Those with pictures come first, one of each edit type before a second of any; which they are depends on their
    order in the benchmark and on how their edits ended alone, so cells show the same samples.

    Args:
        directory: of a cell that is done.
        benchmark: that it edited; None: no pictures.
        pictures: in all rows together, at most.
    """
    frame = RunDirectory(directory).samples().astype({"seed": float})
    columns = [*_FIRST, *(name for name in frame if name not in _FIRST)]
    records: list[dict[str, Any]] = (
        frame.astype(object).where(frame.notna() & (frame != ""), None).to_dict("records")
    )
    shown = [] if benchmark is None else _shown(records)[: max(0, pictures) // len(PICTURES)]
    if shown:
        assert benchmark is not None
        maps = read_maps(directory)
        for index in shown:
            records[index] |= _pictures(directory, benchmark, index, maps)
    order = [*shown, *(index for index in range(len(records)) if index not in set(shown))]
    return columns, [[records[index].get(name) for name in columns] for index in order]


def _shown(records: Sequence[Mapping[str, Any]]) -> list[int]:
    """Samples that were edited: the first of every type, then the others."""
    edited = [index for index, record in enumerate(records) if record.get("status") == "ok"]
    types = [records[index].get("edit_type") for index in edited]
    firsts = [index for place, index in enumerate(edited) if types[place] not in types[:place]]
    return [*firsts, *(index for index in edited if index not in firsts)]


def _pictures(
    directory: Path, benchmark: Benchmark, index: int, maps: Mapping[str, KeptMap]
) -> dict[str, Image.Image | None]:
    """The pictures of a sample; None for what the benchmark, or an evaluation by an older version, lacks."""
    from editmgt.editing.picture import heat  # late: torch

    sample = build(benchmark)[index]
    source, path = Image.fromarray(sample.source), directory / picture_path(benchmark.name, sample)
    kept = maps.get(sample.sample_id)
    pictures = {
        "source": source,
        "target": None if sample.target is None else Image.fromarray(sample.target),
        "edited": read_image(path) if path.is_file() else None,
        "map": None if kept is None else heat(source, _scores(kept)),
    }
    for picture in filter(None, pictures.values()):
        picture.thumbnail((SIDE, SIDE))
    return pictures


def _scores(kept: KeptMap) -> "Tensor":
    """A map [h,w] in [0, 1]."""
    import torch

    levels = np.frombuffer(b64decode(kept["map"]), dtype=np.uint8).reshape(kept["map_shape"])
    return torch.from_numpy(levels / 255)
