"""The picture page of an evaluation: a few samples, each explained in a row."""

import shutil
from pathlib import Path

from PIL import Image
from torch import Tensor

from editmgt.data.sample import EditSample
from editmgt.editing.picture import explain_row, stack_rows
from editmgt.editing.picture_files import png
from editmgt.files import write_atomic

ROWS = 8


class Gallery:
    """Keeps the first sample of each edit type, then the first others, until the page is full.

    Which samples are shown depends on their order alone, so pages of two editors show the same ones. Their rows stay in
    ``directory`` until nothing is left to do, so that an evaluation that goes on after a kill (``resume``) shows them.
    """

    def __init__(self, directory: Path, resume: bool) -> None:
        self.directory = directory
        if not resume:
            self.forget()

    def offer(
        self, index: int, sample: EditSample, edited: Image.Image, localization: Tensor, held: Tensor
    ) -> None:
        """Draw the sample, the ``index``-th, if the page may need it: which rows are shown is known at the end."""
        kept = [path.stem.split("-", 2) for path in self._paths()]
        if any(int(position) == index for _, position, _ in kept):
            return
        edit_type = "".join(c if c.isalnum() else "_" for c in sample.edit_type)
        first = edit_type not in {name for _, _, name in kept} and len({name for _, _, name in kept}) < ROWS
        if not first and sum(kind == "other" for kind, _, _ in kept) >= ROWS:
            return
        target = None if sample.target is None else Image.fromarray(sample.target)
        source = Image.fromarray(sample.source)
        row = explain_row(source, sample.instruction, edited, localization, held, target=target)
        name = f"{'first' if first else 'other'}-{index:08d}-{edit_type}.png"
        write_atomic(self.directory / name, png(row))

    def write(self, path: Path) -> None:
        """Write the page as PNG; no sample, no page."""
        rows = [Image.open(kept).convert("RGB") for kept in self._paths()[:ROWS]]
        if rows:
            write_atomic(path, png(stack_rows(rows)))

    def forget(self) -> None:
        """Remove what was kept, which no later run of this evaluation will add to."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _paths(self) -> list[Path]:
        """The firsts of their types, then the others."""
        return sorted(self.directory.glob("*-*-*.png"))
