"""Emu Edit's test set (``facebook/emu_edit_test_set``): no target; judged against source and captions."""

from editmgt.benchmarks.pictures import picture
from editmgt.benchmarks.published import EDITMGT, QUOTED, Published
from editmgt.benchmarks.table_rows import Record, Table, open_table
from editmgt.data.sample import EditSample
from editmgt.settings.ranges import Text

PUBLISHED = (
    Published("EditMGT 960M", {"clip/i_source": 0.878, "clip/t": 0.308, "dino/i_source": 0.832}, EDITMGT),
    Published("OmniGen2", {"clip/i_source": 0.876, "dino/i_source": 0.822}, QUOTED),
)


def rows(path: Text, split: Text) -> Table:
    """Return every row: those whose two captions are equal are kept, which lowers CLIP_out where others drop them."""
    table = open_table(
        path, split, ("instruction", "task", "idx", "input_caption", "output_caption"), ("image",)
    )

    def convert(row: Record, index: int) -> EditSample:
        return EditSample(
            sample_id=f"{index}-{row['idx']}",  # nobody promises that idx is there once
            source_id=str(row["idx"]),
            source=picture(row["image"]),
            instruction=row["instruction"],
            edit_type=row["task"],
            source_caption=row["input_caption"] or "",
            target_caption=row["output_caption"] or "",
        )

    return Table(table, convert, ("image",), lacks=("target", "edit_mask"))
