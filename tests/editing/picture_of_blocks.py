"""Pictures to edit, instructions, and when two edits are the same."""

import numpy as np
import torch
from PIL import Image

from editmgt.editing import EditResult

INSTRUCTIONS = ["make the red circle blue", "remove the large star", "add a small green square to the left"]


def picture(width: int = 32, height: int = 32, seed: int = 0) -> Image.Image:
    """Blocks of colour, so that codes differ."""
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((width, height), Image.Resampling.NEAREST)


def same(a: EditResult, b: EditResult, i: int = 0, j: int = 0) -> bool:
    return torch.equal(a.tokens[i], b.tokens[j]) and a.images[i].tobytes() == b.images[j].tobytes()
