"""Rows of an edit dataset as pairs of pictures, by position or as a stream."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editmgt.config.schema import Edits
from editmgt.data.bad_rows import BadRow
from editmgt.data.cells import is_missing, locate, open_picture, picture_size, storage
from editmgt.data.sources import identity, open_dataset, told
from editmgt.data.transform import Pair
from editmgt.editing.images import upright_rgb
from editmgt.editing.masks import may_change, read_mask
from editmgt.editing.picture_files import TooManyPixels
from editmgt.errors import UserError
from editmgt.files import write_atomic
from editmgt.lock import locked
from editmgt.progress import progress_bar

if TYPE_CHECKING:
    import pyarrow as pa

_SHUFFLE_BUFFER = 1000  # rows a stream is shuffled over


class EditRows:
    """One dataset of ``data.datasets``; of a stream there is no length and no row by position.

    ``kind`` says what is read: ``editor`` instructions and sources, ``base`` captions alone, ``codec`` pictures alone.
    """

    def __init__(self, name: str, data: Edits, kind: str) -> None:
        spec, size = data.datasets[name], data.train_size
        self.name, self.spec, self.max_pixels = name, spec, data.max_pixels
        self.streaming, self.cache_dir = data.streaming, Path(data.cache_dir)
        self.columns: dict[str, str | None] = spec.columns.model_dump()
        if spec.columns.mask is not None and spec.columns.hole is not None:
            raise UserError(
                f"data.datasets.{name}.columns.mask={spec.columns.mask} and columns.hole={spec.columns.hole} "
                "both say what may change: set one of them to null."
            )
        self.has_source = kind != "base" and spec.columns.source is not None
        self.text_column = {"editor": "instruction", "base": "caption"}.get(kind)
        opened = open_dataset(name, spec, self.streaming, self.cache_dir)
        dataset: Any = opened.rows
        self.place, self.folders, self.first_alone = opened.place, opened.folders, size is not None
        if size is not None:
            dataset = dataset.take(size if self.streaming else min(size, len(dataset)))
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator["pa.Table"]:
        """Every row in the files' order, undecoded."""
        return told(self.place, self.dataset)

    def texts(self) -> list[str | None]:
        """Return the text of every row, without touching the pictures."""
        assert self.text_column is not None  # a codec reads no texts
        found: list[str | None] = []
        column = self.dataset.select_columns([self.columns[self.text_column]])
        for table in told(self.place, column.iter(batch_size=1000)):
            for index in range(table.num_rows):
                try:
                    found.append(self._text(table.slice(index, 1)))
                except BadRow:
                    found.append(None)
        return found

    def parts(self, size: int, wanted: Sequence[int]) -> Iterator[tuple[int, list["pa.Table"]]]:
        """Return parts ``wanted`` of the dataset cut into parts of ``size`` rows: their numbers and undecoded rows.

        A stream passes over the rows between them.
        """
        if not self.streaming:
            for part in wanted:
                stop = min((part + 1) * size, len(self))
                yield part, [self.dataset[index] for index in range(part * size, stop)]
            return
        rows = iter(self)
        for part in count():
            tables = list(islice(rows, size))
            if not tables:
                return
            if part in wanted:
                yield part, tables
            if part >= max(wanted, default=0):
                return

    def epoch(self, number: int, node: int, nodes: int, seed: int) -> Iterator["pa.Table"]:
        """Return one reader's rows of an epoch, undecoded and shuffled; of ``nodes`` readers each row goes to one."""
        from datasets.distributed import split_dataset_by_node

        shuffled = self.dataset.shuffle(seed=seed, buffer_size=_SHUFFLE_BUFFER)
        if self.first_alone:  # readers of a file each would take the first rows of their own
            shuffled.set_epoch(number)
            mine = islice(shuffled, node, None, nodes)
        else:
            mine = split_dataset_by_node(shuffled, node, nodes)
            mine.set_epoch(number)
        yield from told(self.place, mine)

    def sizes(self) -> NDArray[np.int32]:
        """Return [N, 2], width and height of every picture that a crop is chosen on; zeros where it has none.

        Headers alone are read, once: the sizes are kept in ``cache_dir``.
        """
        use = "source" if self.has_source else "target"
        path = self.cache_dir / f"sizes-{identity(self.spec)}-{use}-{len(self)}.npy"
        if not path.is_file():
            with locked(
                path, lambda: print(f"waiting for another process, which reads the same {path.name}")
            ):
                if not path.is_file():
                    file = BytesIO()
                    sizes = np.empty((len(self), 2), np.int32)
                    with progress_bar(f"reading sizes of {self.name}") as tell:
                        for row in range(len(self)):
                            sizes[row] = self.size(self.dataset[row])
                            tell(row + 1, len(self))
                    np.save(file, sizes)
                    write_atomic(path, file.getvalue())
        return np.load(path)

    def size(self, row: "pa.Table") -> tuple[int, int]:
        """Return (width, height) of the picture that a row's crop is chosen on; zeros where it has none."""
        column = self.columns["source" if self.has_source else "target"]
        cell = row.column(column)[0]
        if storage(cell.type) == "picture" and cell.is_valid and "bytes" in cell and cell["bytes"].is_valid:
            cell = cell["bytes"]
        value: Any
        if storage(cell.type) == "bytes" and cell.is_valid:  # a view: most of the bytes are never touched
            import pyarrow as pa

            value = pa.BufferReader(cell.as_buffer())
        else:
            value = locate(_value(row, column), self.folders)
        return picture_size(value) or (0, 0)

    def decode(self, row: "pa.Table") -> Pair:
        """Decode a table of one row; ``BadRow`` where that cannot be done."""
        text = self._text(row)
        return Pair(
            source=self._rgb(row, "source") if self.has_source else None,
            target=self._rgb(row, "target"),
            mask=self._mask(row),
            text=text,
            edit_type=_plain(_value(row, self.columns["edit_type"])),
        )

    def digest(self, row: "pa.Table") -> str:
        """Return a name made of a row's content, since a shuffled stream has no positions."""
        hashed = hashlib.sha1(usedforsecurity=False)
        for column in (self.columns["target"], self.columns[self.text_column or "target"]):
            try:
                value = _value(row, column)
            except BadRow as error:
                value = error.detail
            hashed.update(repr(value).encode())
        return hashed.hexdigest()[:12]

    def _text(self, row: "pa.Table") -> str:
        if self.text_column is None:
            return ""
        value = _value(row, self.columns[self.text_column])
        try:
            text = value.decode() if isinstance(value, bytes) else value
        except UnicodeDecodeError as error:
            raise BadRow("text is not UTF-8", repr(value)) from error
        if not isinstance(text, str) or not text.strip():
            raise BadRow(f"no {self.text_column}")
        return text

    def _rgb(self, row: "pa.Table", use: str) -> Image.Image:
        picture = self._picture(row, use)
        with _readable(use):
            return upright_rgb(picture)

    def _picture(self, row: "pa.Table", use: str) -> Image.Image:
        column = self.columns[use]
        value = locate(_value(row, column), self.folders)
        if is_missing(value):
            raise BadRow(f"no {use}")
        with _readable(use):
            return open_picture(value, f"column {column}", self.max_pixels)

    def _mask(self, row: "pa.Table") -> Image.Image | None:
        """What may change in white, the rest in black."""
        use = "mask" if self.columns["hole"] is None else "hole"
        if is_missing(_value(row, self.columns[use])):
            return None
        picture = self._picture(row, use)
        with _readable(use):
            white = may_change(read_mask(picture, hole=use == "hole"))
        return Image.fromarray(white.astype(np.uint8) * 255)


@contextmanager
def _readable(use: str) -> Iterator[None]:
    """Make a row bad whose picture cannot be read."""
    try:
        yield
    except TooManyPixels as error:
        raise BadRow("too large", str(error)) from error
    except UserError as error:
        raise BadRow(f"unreadable {use}", str(error)) from error


def _value(row: "pa.Table", column: str | None) -> Any:
    if column is None:
        return None
    try:
        return row.column(column)[0].as_py()
    except UnicodeDecodeError as error:
        raise BadRow("text is not UTF-8", repr(error.object)) from error


def _plain(value: Any) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    return "" if text is None else str(text)
