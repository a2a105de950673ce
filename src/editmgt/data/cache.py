"""Codes and text made once by ``python -m editmgt.prepare``, kept as checksummed Arrow files, read by position.

A directory holds ``facts.json`` (what the codes depend on), a folder of parts for each dataset and one for the distinct
texts, and, when every part is there, ``index.json`` with their checksums. A part is ``part-00000.arrow``, memory-mapped
by ``datasets``, and ``part-00000.json``, written after it: a part without one does not count.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from editmgt.data.bad_rows import too_many
from editmgt.errors import UserError
from editmgt.files import read_json, write_atomic, write_json

if TYPE_CHECKING:
    import pyarrow as pa

FACTS, INDEX, TEXTS, BAD_ROWS = "facts.json", "index.json", "texts", "bad_rows.csv"


def codes_folder(name: str) -> str:
    """Return the folder of a dataset's parts."""
    return f"codes/{name}"


def check_facts(directory: Path, facts: dict[str, Any]) -> None:
    """Raise a ``UserError`` that names what a cache was made with and this run is not; a new directory gets ``facts``."""
    if not (directory / FACTS).is_file():
        # a hidden file is another process's, which is writing the same facts
        if directory.exists() and any(not path.name.startswith(".") for path in directory.iterdir()):
            raise UserError(f"data.token_cache={directory} is not empty and holds no token cache.")
        write_json(directory / FACTS, facts)
        return
    made = _read(directory / FACTS)
    stale = [
        f"{name} {made.get(name)} (now {facts[name]})" for name in facts if made.get(name) != facts[name]
    ]
    if stale:
        raise _stale(directory, ", ".join(stale))


def _stale(directory: Path, made_with: str) -> UserError:
    return UserError(
        f"data.token_cache={directory} is stale: it was made with {made_with}. "
        "Name another directory, or delete this one and run python -m editmgt.prepare again."
    )


def _read(path: Path) -> dict[str, Any]:
    """Read what a cache says of itself; a ``UserError`` where that is damaged."""
    try:
        return dict(read_json(path))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{path} cannot be read ({error}): name another data.token_cache, or delete this one and run "
            "python -m editmgt.prepare again."
        ) from error


def part_path(directory: Path, folder: str, number: int) -> Path:
    """Return where a part is; its record has the ending ``.json``."""
    return directory / folder / f"part-{number:05d}.arrow"


def write_part(path: Path, table: "pa.Table", **record: Any) -> None:
    """Write a part and then its record, which also holds the part's size and checksum."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content = sink.getvalue().to_pybytes()
    write_atomic(path, content)
    record |= {"rows": table.num_rows, "sha256": hashlib.sha256(content).hexdigest()}
    write_json(path.with_suffix(".json"), record)


def part_record(path: Path) -> dict[str, Any] | None:
    """Return the record of a part whose content is what was written; None where it has to be made (again)."""
    try:
        record = read_json(path.with_suffix(".json"))
        return dict(record) if record["sha256"] == _checksum(path) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def text_table(texts: Sequence[str], values: dict[str, Tensor]) -> "pa.Table":
    """Return distinct texts with ``values``, tensors [N, ...] of int64 or bfloat16, a row each."""
    import pyarrow as pa

    columns: dict[str, Any] = {"text": pa.array(texts, pa.string())}
    for name, tensor in values.items():
        if tensor.is_floating_point():  # Arrow has no bfloat16: its bits
            flat = tensor.bfloat16().contiguous().view(torch.int16)
        else:
            flat = tensor.int()
        columns[name] = _fixed_lists(flat.cpu().numpy())
    return pa.table(columns)


def code_table(
    places: Sequence[tuple[int, int, int, int]], arrays: Mapping[str, Sequence[Tensor]]
) -> "pa.Table":
    """Return encoded views: of each its row, variant, index of the text and bucket, and tensors [h, w], in their types."""
    import pyarrow as pa

    kinds = {"row": pa.int64(), "variant": pa.int32(), "text": pa.int64(), "bucket": pa.int32()}
    columns: dict[str, Any] = {
        name: pa.array(values, kinds[name])
        for name, values in zip(kinds, zip(*places, strict=True), strict=True)
    }
    for name, tensors in arrays.items():
        ends = np.cumsum([0, *(tensor.numel() for tensor in tensors)], dtype=np.int32)
        columns[name] = pa.ListArray.from_arrays(
            ends, np.concatenate([tensor.cpu().numpy().ravel() for tensor in tensors])
        )
    return pa.table(columns)


class TokenCache:
    """A finished cache, for reading; a ``UserError`` for one that is missing, unfinished or stale.

    Args:
        directory: made by ``python -m editmgt.prepare``.
        facts: what this run would make it with.
        grids: rows and columns of codes, of each bucket.
    """

    def __init__(self, directory: Path, facts: dict[str, Any], grids: Sequence[tuple[int, int]]) -> None:
        self.directory, self.grids = directory, grids
        if not (directory / FACTS).is_file():
            raise UserError(
                f"data.token_cache={directory} holds no token cache: python -m editmgt.prepare makes one."
            )
        check_facts(directory, facts)
        if not (directory / INDEX).is_file():
            raise UserError(
                f"data.token_cache={directory} is unfinished: run python -m editmgt.prepare with the same settings "
                "until every shard is done."
            )
        self.index = _read(directory / INDEX)
        self._texts = self._open(TEXTS)
        self._codes: list[Any] = [self._open(codes_folder(name)) for name in self.index["datasets"]]
        self.text_shapes: dict[str, list[int]] = self.index["text_shapes"]

    def verify(self) -> None:
        """Raise a ``UserError`` for a part that is not what was written."""
        for name, checksum in self.index["checksums"].items():
            if not (path := self.directory / name).is_file() or _checksum(path) != checksum:
                raise UserError(
                    f"{path} is not what was written (checksum): run python -m editmgt.prepare again, which makes the "
                    "broken parts anew."
                )

    def check_rows(self, counts: Sequence[int]) -> None:
        """Raise a ``UserError`` for a dataset that has another number of rows than when it was encoded."""
        for name, made, now in zip(self.index["datasets"], self.index["rows"], counts, strict=True):
            if now != made:
                raise _stale(self.directory, f"{made} rows of dataset {name} (now {now})")

    def good_rows(self, dataset: int) -> NDArray[np.int64]:
        """Return the rows of a dataset that could be encoded, in order; each is here once per variant."""
        return np.unique(self._codes[dataset].data.table.column("row").to_numpy())

    def read(self, places: Sequence[tuple[int, int]]) -> dict[str, Any]:
        """Return a batch of one bucket, given each sample's dataset and position among its encoded views."""
        tables = [self._codes[dataset][position] for dataset, position in places]
        batch: dict[str, Any] = {}
        grid = self.grids[tables[0].column("bucket")[0].as_py()]
        for name in (name for name in tables[0].column_names if name.endswith("_tokens")):
            values = torch.from_numpy(np.stack([_values(table, name) for table in tables]))
            batch[name] = values.long().view(-1, *grid)
        texts = [self._texts[table.column("text")[0].as_py()] for table in tables]
        for name, shape in self.text_shapes.items():
            values = torch.from_numpy(np.stack([_values(table, name) for table in texts]))
            values = values.view(torch.bfloat16) if values.dtype == torch.int16 else values.long()
            batch[name] = values.view(-1, *shape)
        return batch

    def _open(self, folder: str) -> Any:
        import datasets

        paths = [name for name in self.index["checksums"] if name.startswith(f"{folder}/")]
        return datasets.concatenate_datasets(
            [datasets.Dataset.from_file(str(self.directory / name)) for name in paths]
        ).with_format("arrow")


def finish(
    directory: Path, names: Sequence[str], rows: Sequence[int], parts: dict[str, int], max_bad_share: float
) -> int:
    """Write ``index.json`` if every one of ``parts`` (their number by folder) is there, else return how many are not.

    What the records name as bad goes to ``bad_rows.csv``: a ``UserError`` where it is more than ``max_bad_share`` of all rows,
    however many processes and runs made them.
    """
    records: dict[str, dict[str, Any]] = {}
    missing = 0
    for path in [part_path(directory, folder, part) for folder in parts for part in range(parts[folder])]:
        try:
            records[path.relative_to(directory).as_posix()] = read_json(path.with_suffix(".json"))
        except (OSError, ValueError):
            missing += 1
    if missing:
        return missing
    bad = ["dataset,row,reason,detail\n"] + [
        line for record in records.values() for line in record.get("bad", ())
    ]
    write_atomic(directory / BAD_ROWS, "".join(bad))
    if too_many(len(bad) - 1, sum(rows), max_bad_share):
        raise UserError(
            f"{len(bad) - 1} of {sum(rows)} rows are bad, more than data.max_bad_share={max_bad_share}; "
            f"{directory / BAD_ROWS} names them."
        )
    texts = next(record for name, record in records.items() if name.startswith(f"{TEXTS}/"))
    write_json(
        directory / INDEX,
        {
            "datasets": list(names),
            "rows": list(rows),
            "bad": len(bad) - 1,
            "text_shapes": texts["shapes"],
            "checksums": {name: record["sha256"] for name, record in records.items()},
        },
    )
    return 0


def _fixed_lists(array: NDArray[Any]) -> "pa.Array":
    import pyarrow as pa

    flat = array.reshape(len(array), int(np.prod(array.shape[1:])))
    return pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), flat.shape[1])


def _values(row: "pa.Table", column: str) -> NDArray[Any]:
    return row.column(column).combine_chunks().flatten().to_numpy(zero_copy_only=False)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
