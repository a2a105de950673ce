"""Your own benchmark: a directory as :mod:`editmgt.data.folder` reads it, with a target and a mask as far as there are any."""

from pathlib import Path

from editmgt.benchmarks.pictures import mask, picture
from editmgt.benchmarks.table_rows import Record, Table
from editmgt.data.folder import MAX_ASPECT_CHANGE, read_folder
from editmgt.data.sample import EditSample
from editmgt.data.transform import aspects_differ
from editmgt.settings.ranges import Text

_PICTURES = ("source", "target", "mask")


def rows(path: Text) -> Table:
    """Return the rows of a directory, in the order of its lines; see :func:`editmgt.data.folder.read_folder`."""
    found = read_folder(Path(path), "benchmark.path", needs=("source", "instruction"))
    records: list[Record] = [
        {name: str(value) for name, value in vars(row).items() if value is not None} for row in found
    ]
    lacks = [field for field, name in (("target", "target"), ("edit_mask", "mask"))
             if not any(name in record for record in records)]  # fmt: skip
    return Table(records, _sample, _PICTURES, lacks)


def _sample(row: Record, index: int) -> EditSample:
    source = picture(row["source"])
    target = picture(row["target"]) if "target" in row else None
    shown = source if target is None else target
    if differ := aspects_differ([source.shape[1::-1], shown.shape[1::-1]], MAX_ASPECT_CHANGE):
        raise ValueError(f"aspect ratios differ: {differ}")
    return EditSample(
        sample_id=row["name"],
        source_id=row["stem"],
        source=source,
        instruction=row["instruction"],
        edit_type=row["type"],
        target=target,
        edit_mask=mask(row.get("mask"), shown.shape[:2], source.shape[:2]),
        target_caption=row["caption"],
    )
