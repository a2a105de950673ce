"""The picture page of an evaluation: a few samples, each explained in a row."""

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from editmgt.data.sample import EditSample
from editmgt.editing.picture import explain_row, stack_rows
from editmgt.editing.picture_files import png
from editmgt.files import write_atomic

ROWS = 8


class Gallery:
    """Keeps the first sample of each edit type, then the first others, until the page is full.

    Which samples are shown depends on their order alone, so pages of two editors show the same ones.

    Args:
        directory: keeps what the rows are drawn from until nothing is left to do, so that an evaluation that goes on
            after a kill shows the samples that were done before it.
        resume: whether what is there belongs to this evaluation.
    """

    def __init__(self, directory: Path, resume: bool) -> None:
        self.directory = directory
        if not resume:
            shutil.rmtree(directory, ignore_errors=True)

    def offer(
        self, index: int, sample: EditSample, edited: Image.Image, localization: Tensor, held: Tensor
    ) -> None:
        """Keep the sample, the ``index``-th, if the page may need it: which rows are drawn is known at the end."""
        kept = [path.stem.split("-", 2) for path in self._paths()]
        if any(int(position) == index for _, position, _ in kept):
            return
        edit_type = "".join(c if c.isalnum() else "_" for c in sample.edit_type)
        first = edit_type not in {name for _, _, name in kept} and len({name for _, _, name in kept}) < ROWS
        if not first and sum(kind == "other" for kind, _, _ in kept) >= ROWS:
            return
        parts: dict[str, Any] = {
            "instruction": np.array(sample.instruction),
            "source": sample.source,
            "edited": np.asarray(edited),
            "localization": localization.numpy(),
            "held": held.numpy(),
        }
        if sample.target is not None:
            parts["target"] = sample.target
        content = io.BytesIO()
        np.savez(content, **parts)
        name = f"{'first' if first else 'other'}-{index:08d}-{edit_type}.npz"
        write_atomic(self.directory / name, content.getvalue())

    def write(self, path: Path) -> None:
        """Draw the page as PNG; no sample, no page."""
        rows = [_draw(kept) for kept in self._paths()[:ROWS]]
        if rows:
            write_atomic(path, png(stack_rows(rows)))

    def forget(self) -> None:
        """Remove what was kept, which no later run of this evaluation will add to."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _paths(self) -> list[Path]:
        """The firsts of their types, then the others."""
        return sorted(self.directory.glob("*-*-*.npz"))


def _draw(path: Path) -> Image.Image:
    with np.load(path) as kept:
        return explain_row(
            Image.fromarray(kept["source"]),
            str(kept["instruction"]),
            Image.fromarray(kept["edited"]),
            torch.from_numpy(kept["localization"]),
            torch.from_numpy(kept["held"]),
            target=Image.fromarray(kept["target"]) if "target" in kept else None,
        )
