"""GEditBench v2 (``GEditBench-v2/GEditBench-v2``, arXiv 2603.28547): 1,200 queries of 23 tasks, judged two edits at a time.

It has neither targets nor masks, and no scores of one edit by itself: a judge compares the cells of a sweep with each
other and with the authors' gallery of other models' edits (``benchmark.judge.candidates``), by instruction following,
quality and consistency. The columns are those that its code reads (ZhangqiJiang07/GEditBench_v2,
``src/common_utils/dataset_loader.py``); pictures lie as in its gallery, ``KEY.png``.
"""

from editmgt.benchmarks.pictures import picture
from editmgt.benchmarks.table_rows import Record, Table, check_keys, open_table
from editmgt.data.sample import EditSample
from editmgt.settings.ranges import Text


def rows(path: Text, split: Text) -> Table:
    """Return every row; its type is the column ``task``, or where there is none its key (``subject_add_000012``)."""
    table = open_table(path, split, ("key", "instruction"), ("source_image",), ("task",))
    check_keys(path, "key", table["key"])

    def convert(row: Record, index: int) -> EditSample:
        return EditSample(
            sample_id=row["key"],
            source_id=row["key"],
            source=picture(row["source_image"]),
            instruction=row["instruction"],
            edit_type=row.get("task") or row["key"].rstrip("0123456789").rstrip("_"),
        )

    return Table(table, convert, ("source_image",), lacks=("target", "edit_mask"))
