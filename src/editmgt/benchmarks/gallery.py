"""The picture page of an evaluation: a few samples, each explained in a row."""

import io
from pathlib import Path

from PIL import Image
from torch import Tensor

from editmgt.data.sample import EditSample
from editmgt.editing.picture import explain_row, stack_rows
from editmgt.files import write_atomic

ROWS = 8


class Gallery:
    """Keeps the first sample of each edit type, then the first others, until the page is full.

    Which samples are shown depends on their order alone, so pages of two editors show the same ones.
    """

    def __init__(self) -> None:
        self._first_of_type: dict[str, Image.Image] = {}
        self._others: list[Image.Image] = []

    def offer(self, sample: EditSample, edited: Image.Image, localization: Tensor, held: Tensor) -> None:
        """Draw the sample if the page may need it."""
        new_type = sample.edit_type not in self._first_of_type and len(self._first_of_type) < ROWS
        if not new_type and len(self._others) >= ROWS:
            return
        row = explain_row(
            Image.fromarray(sample.source),
            sample.instruction,
            edited,
            localization,
            held,
            target=Image.fromarray(sample.target),
        )
        if new_type:
            self._first_of_type[sample.edit_type] = row
        else:
            self._others.append(row)

    def write(self, path: Path) -> None:
        """Write the page as PNG; no sample, no page."""
        rows = [*self._first_of_type.values(), *self._others][:ROWS]
        if rows:
            buffer = io.BytesIO()
            stack_rows(rows).save(buffer, format="PNG")
            write_atomic(path, buffer.getvalue())
