"""AnyBench (AnyEdit-Test): 25 edit types, judged against targets."""

from editmgt.benchmarks.pictures import is_missing, picture
from editmgt.benchmarks.table_rows import Record, Table, open_table
from editmgt.data.sample import EditSample
from editmgt.settings.ranges import Text


def rows(path: Text, split: Text) -> Table:
    """Return the rows of a table with AnyEdit's columns."""
    pictures, captions = ("image_file", "edited_file"), ("input", "output")
    table = open_table(path, split, ("edit_instruction", "edit_type"), pictures, captions)

    def convert(row: Record, index: int) -> EditSample:
        return EditSample(
            sample_id=f"{row['edit_type']}-{index}",
            source_id=str(index),
            source=picture(row["image_file"]),
            instruction=row["edit_instruction"],
            edit_type=row["edit_type"],
            target=None if is_missing(row["edited_file"]) else picture(row["edited_file"]),
            source_caption=row.get("input") or "",
            target_caption=row.get("output") or "",
        )

    return Table(table, convert, pictures, lacks=("edit_mask",), instruction="edit_instruction")
