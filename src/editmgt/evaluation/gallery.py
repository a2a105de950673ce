"""The picture page of an evaluation: a few samples, each explained in a row."""

import io
import shutil
from pathlib import Path

from PIL import Image
from torch import Tensor

from editmgt.benchmarks.benchmark_sample import BenchmarkSample
from editmgt.editing.picture import explain_row, stack_rows
from editmgt.editing.picture_files import png
from editmgt.files import write_atomic

ROWS = 8


class Gallery:
    """Keeps the first sample of each edit type, then the first others, until the page is full.

    Which samples are shown depends on their order alone, so pages of two editors show the same ones.

    Args:
        directory: keeps the rows until nothing is left to do, so that an evaluation that goes on after a kill
            shows the samples that were done before it.
        resume: whether rows that are there belong to this evaluation.
    """

    def __init__(self, directory: Path, resume: bool) -> None:
        self.directory = directory
        if not resume:
            shutil.rmtree(directory, ignore_errors=True)

    def offer(
        self, index: int, sample: BenchmarkSample, edited: Image.Image, localization: Tensor, held: Tensor
    ) -> None:
        """Draw the sample, the ``index``-th, if the page may need it."""
        kept = [path.stem.split("-", 2) for path in self._paths()]
        if any(int(position) == index for _, position, _ in kept):
            return
        edit_type = "".join(c if c.isalnum() else "_" for c in sample.edit_type)
        first = edit_type not in {name for _, _, name in kept} and len({name for _, _, name in kept}) < ROWS
        if not first and sum(kind == "other" for kind, _, _ in kept) >= ROWS:
            return
        row = explain_row(
            Image.fromarray(sample.source),
            sample.instruction,
            edited,
            localization,
            held,
            target=None if sample.target is None else Image.fromarray(sample.target),
        )
        name = f"{'first' if first else 'other'}-{index:08d}-{edit_type}.png"
        write_atomic(self.directory / name, png(row))

    def write(self, path: Path) -> None:
        """Write the page as PNG; no sample, no page."""
        rows = [Image.open(io.BytesIO(row.read_bytes())) for row in self._paths()[:ROWS]]
        if rows:
            write_atomic(path, png(stack_rows(rows)))

    def forget(self) -> None:
        """Remove the rows, which no later run of this evaluation will add to."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _paths(self) -> list[Path]:
        """The firsts of their types, then the others."""
        return sorted(self.directory.glob("*-*-*.png"))
