"""The files of a W&B run: tables with pictures, and artifacts; all of them lie in the run's own folder.

wandb 0.31 keeps what an artifact holds in a staging folder of the user's, under absolute paths, and in a table's
file it writes the word "Image" for a picture: an offline run that is carried to another machine has lost both. Here
a table's pictures are the run's media, named by their paths in its file and in the artifact's alike, and an offline
artifact's files are named from the run's folder: ``wandb sync .`` in there finds them, wherever it lies.
"""

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import wandb
from PIL import Image
from wandb.proto.wandb_internal_pb2 import MetricRecord  # type: ignore[attr-defined]  # made when it is imported
from wandb.sdk.artifacts.staging import get_staging_dir

from editmgt.files import files_below
from editmgt.spreadsheet import from_csv
from editmgt.weights import SUFFIX

Table = tuple[Sequence[str], Sequence[Sequence[Any]]]  # columns and rows; a cell may be a picture
_GOALS = {
    "higher": MetricRecord.GOAL_MAXIMIZE,
    "lower": MetricRecord.GOAL_MINIMIZE,
}


class _Table(wandb.Table):
    """A table whose file says of a picture what its artifact says: type and path."""

    artifact: wandb.Artifact

    def _to_table_json(self, max_rows: int | None = None, warn: bool = True) -> dict[str, Any]:
        content = super()._to_table_json(max_rows, warn)
        rows = [
            [cell.to_json(self.artifact) if isinstance(cell, wandb.Image) else cell for cell in row]
            for row in content["data"]
        ]
        return content | {"data": rows, "column_types": self._column_types.to_json(self.artifact)}


def read_table(path: Path) -> Table:
    """Return a CSV file's columns and rows; columns of numbers as numbers, and None for what is empty."""
    header, *rows = from_csv(path.read_bytes().decode())
    columns = [_typed(column) for _, *column in zip(header, *rows, strict=True)]
    return header, [list(row) for row in zip(*columns, strict=True)]


def log_with_artifact(
    run: wandb.Run,
    name: str,
    files: Mapping[str, Path],
    tables: Mapping[str, Table],
    values: Mapping[str, float | Path],
) -> None:
    """Log ``tables`` and ``values`` (numbers, and paths of pictures) by key.

    An artifact ``name``, ``KIND-ID``, holds the tables and ``files``, by their names in it.
    """
    artifact = wandb.Artifact(name, type=name.partition("-")[0])
    made = {key: _add_table(run, artifact, key, table) for key, table in tables.items()}
    for name, path in files.items():
        artifact.add_file(str(path), name=name, skip_cache=True, policy="immutable")
    _carry(run, artifact)
    run.log_artifact(artifact)
    for key, table in made.items():  # after the artifact, which a logged table refers to
        table.bind_to_run(run, key, run.step)
    shown = {
        key: wandb.Image(str(value)) if isinstance(value, Path) else value for key, value in values.items()
    }
    run.log({**shown, **made})


def log_weights(run: wandb.Run, directory: Path, digest: str, limit: int, made_here: bool) -> None:
    """Log a finished editor as an artifact named by its content: what this run made, or what it used.

    Args:
        run: of the cell.
        directory: of the bundle.
        digest: of its weights.
        limit: in megabytes; of a larger one the weights stay where they are.
        made_here: whether the run trained it.
    """
    paths = files_below(directory)
    size = sum(path.stat().st_size for path in paths)
    goes_along = size <= limit * 1_000_000
    facts = {"directory": str(directory), "bytes": size, "weights_go_along": goes_along}
    artifact = wandb.Artifact(f"editor-{digest.replace(':', '-')}", type="model", metadata=facts)
    for path in (path for path in paths if goes_along or path.suffix != SUFFIX):
        name = path.relative_to(directory).as_posix()
        artifact.add_file(str(path), name=name, skip_cache=True, policy="immutable")
    _carry(run, artifact)
    if made_here:
        run.log_artifact(artifact)
    elif run.offline:  # use_artifact refuses to work offline, and this is the record that it would write
        run._log_artifact(artifact, is_user_created=True, use_after_commit=True)
    else:
        run.use_artifact(artifact)


def define_goals(run: wandb.Run, directions: Mapping[str, str]) -> None:
    """Say of each metric whether ``higher`` or ``lower`` is better.

    ``run.define_metric`` of wandb 0.31 has no ``goal`` any more, its records and servers have; and with ``summary=``
    a number in the summary becomes a mapping, ``{"last": 0.5}``, which is another column.
    """
    for name, direction in directions.items():
        if direction in _GOALS:
            record = MetricRecord(name=name, goal=_GOALS[direction])
            record.options.defined = True
            run._metric_callback(record)


def _typed(column: Sequence[str]) -> list[Any]:
    with suppress(ValueError):
        return [float(text) if text else None for text in column]
    return [text or None for text in column]


def _add_table(run: wandb.Run, artifact: wandb.Artifact, key: str, table: Table) -> _Table:
    columns, rows = table

    def cell(column: str, value: Any) -> Any:
        if not isinstance(value, Image.Image):
            return value
        picture = wandb.Image(value)
        picture.bind_to_run(run, f"{key}/{column}", run.step)  # a file of the run's
        assert picture._path is not None
        name = Path(picture._path).relative_to(run.dir).as_posix()
        artifact.add_file(picture._path, name=name, skip_cache=True, policy="immutable")
        return picture

    data = [[cell(column, value) for column, value in zip(columns, row, strict=True)] for row in rows]
    made = _Table(columns=list[str | int](columns), data=list[Iterable[Any]](data))
    made.artifact = artifact
    artifact.add(made, key)
    return made


def _carry(run: wandb.Run, artifact: wandb.Artifact) -> None:
    """Put the files of an offline run's artifact into its folder and name them from there."""
    if not run.offline:
        return
    folder, staging = Path(run.dir).resolve().parent, Path(get_staging_dir()).resolve()
    for entry in artifact.manifest.entries.values():
        assert entry.local_path is not None
        path = Path(entry.local_path).resolve()
        inside = path
        if not path.is_relative_to(folder):
            inside = folder / "artifacts" / artifact.name / entry.path
            inside.parent.mkdir(parents=True, exist_ok=True)
            _put(path, inside)
            if path.is_relative_to(staging):
                path.unlink()
        entry.local_path = os.path.relpath(inside, folder)


def _put(path: Path, inside: Path) -> None:
    """Copy a file; weights, which nobody writes to once they are finished, take no room a second time where they can."""
    if path.suffix == SUFFIX:
        try:
            os.link(path, inside)
        except OSError:  # another file system, or one without links
            pass
        else:
            return
    shutil.copyfile(path, inside)
