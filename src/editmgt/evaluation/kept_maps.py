"""Each edit's map and held tokens beside its picture, a line of JSON a sample, for whoever looks at edits later."""

import base64
import json
from pathlib import Path
from typing import TypedDict

import numpy as np
from torch import Tensor

from editmgt.files import append
from editmgt.results.run_directory import MAPS


class KeptMap(TypedDict):
    """One edit's map; arrays are base64 of their bytes, row by row.

    ``map`` has a byte a cell, 255 for 1, in ``map_shape`` (rows, columns); ``held`` has a bit a token, the first one
    highest, in ``held_shape``.
    """

    sample_id: str
    map: str
    map_shape: list[int]
    held: str
    held_shape: list[int]


def keep_map(directory: Path, sample_id: str, localization: Tensor, held: Tensor) -> None:
    """Add an edit's map [h,w] in [0, 1] and its held tokens, bool [H,W], to those of ``directory``."""
    levels = (localization.float().clamp(0, 1) * 255).round().cpu().numpy().astype(np.uint8)
    bits = np.packbits(held.cpu().numpy().astype(bool))
    line: KeptMap = {
        "sample_id": sample_id,
        "map": base64.b64encode(levels.tobytes()).decode(),
        "map_shape": [*levels.shape],
        "held": base64.b64encode(bits.tobytes()).decode(),
        "held_shape": [*held.shape],
    }
    # the line's end comes first: what a kill tore before it stays alone
    append(directory / MAPS, f"\n{json.dumps(line)}")


def read_maps(directory: Path) -> dict[str, KeptMap]:
    """Return the maps by sample, the last of each; none where no file is, and none of a line that is torn."""
    found: dict[str, KeptMap] = {}
    try:
        lines = (directory / MAPS).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return found
    for line in lines:
        try:
            kept = json.loads(line)
            if kept.keys() == KeptMap.__annotations__.keys():
                found[str(kept["sample_id"])] = kept
        except (ValueError, AttributeError):
            continue
    return found
