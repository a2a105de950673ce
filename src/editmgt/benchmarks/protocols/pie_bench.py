"""PIE-Bench (cure-lab/PnPInversion): no target; judged by what changed outside the mask and by captions."""

from pathlib import Path
from typing import Any

from editmgt.benchmarks.entries import read_entries
from editmgt.benchmarks.pictures import picture, run_length_mask
from editmgt.benchmarks.table_rows import Record, Table, check_keys, open_table
from editmgt.data.sample import EditSample
from editmgt.paths import within
from editmgt.settings.ranges import Text


def rows(path: Text, split: Text) -> Table:
    """Return the rows of ``mapping_file.json`` with ``annotation_images/``, or of a table of its fields."""
    directory = Path(path)
    mapping = directory / "mapping_file.json"
    fields = ("original_prompt", "editing_prompt", "editing_instruction")
    if mapping.is_file():
        entries = read_entries(mapping, ("image_path", *fields))
        check_keys(path, "key", entries)
        records: Any = [{"key": key, **entry} for key, entry in entries.items()]
        for record in records:
            named = str(Path("annotation_images") / record["image_path"])
            record["image"] = str(within(directory, named, f"benchmark.path={path}: image_path"))
    else:
        columns = ("mask", "editing_type_id", *fields)
        records = open_table(path, split, columns, ("image",), ("key", "id"))
        for name in ("key", "id"):
            if name in records.column_names:
                check_keys(path, name, (str(key) for key in records[name] if key))
                break

    def convert(row: Record, index: int) -> EditSample:
        source = picture(row["image"])
        key = str(row.get("key") or row.get("id") or index)
        return EditSample(
            sample_id=key,
            source_id=key,
            source=source,
            instruction=row["editing_instruction"],
            edit_type=str(row["editing_type_id"]),
            edit_mask=None
            if row["mask"] in (None, "")  # an empty list is a mask: the official decoder's border alone
            else run_length_mask(row["mask"], source.shape[:2]),
            # square brackets mark the words that the prompts differ in
            source_caption=row["original_prompt"].replace("[", "").replace("]", ""),
            target_caption=row["editing_prompt"].replace("[", "").replace("]", ""),
        )

    return Table(records, convert, ("image",), lacks=("target",), instruction="editing_instruction")
