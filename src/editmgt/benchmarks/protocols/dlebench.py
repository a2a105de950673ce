"""DLEBench (``SPUH/DLEBench``, arXiv 2602.23622): 1,889 edits of objects of 1 to 10% of the picture, with references.

Its code is not public, and of its card the first fields alone could be read: ``image`` (in ``Source_Images/``),
``reference_image`` (in ``Reference_Images/``), ``edit_operation`` (the instruction) and ``prompt_clean`` (what the source
shows). What the field with its seven types is called is not known (?): ``type_field`` names it. Nor are its two ways to
show a judge where to look: here the judge sees both pictures whole, and masks are not read.
"""

import math
from collections.abc import Mapping
from pathlib import Path

from editmgt.benchmarks.entries import check_texts, read_lines
from editmgt.benchmarks.judging import ANSWER, Judging, Question
from editmgt.benchmarks.pictures import picture
from editmgt.benchmarks.table_rows import Record, Table
from editmgt.data.sample import EditSample
from editmgt.errors import UserError
from editmgt.paths import within
from editmgt.settings.ranges import Text

INDEX = "data.jsonl"
_FOLDERS = {"image": "Source_Images", "reference_image": "Reference_Images"}
_QUESTION = Question(
    "small_object",
    "The first picture was edited into the second by this instruction: {instruction}\n"
    "It is about something small: look closely at it in both pictures. Give two numbers from 0 to 10. First, how well the "
    "instruction was carried out on it: 0 not at all, 10 completely. Second, how well everything else, next to it and far "
    "from it, has been kept: 0 it is another scene, 10 nothing else changed.\n" + ANSWER % "instruction, kept",
    ("instruction", "kept"), 0, 10, shows_source=True,
)  # fmt: skip


def _scores(answers: Mapping[str, float]) -> tuple[float, ...]:
    following, kept = answers["instruction"], answers["kept"]
    return following, kept, math.sqrt(following * kept)  # a picture that was left as it is gets 0


JUDGING = Judging((_QUESTION,), ("judge/instruction", "judge/kept", "judge/overall"), _scores, by_type=False)


def rows(path: Text, type_field: Text | None) -> Table:
    """Return the rows of a directory with ``data.jsonl`` and the two folders of pictures."""
    directory = Path(path)
    index_file = directory / INDEX
    if not index_file.is_file():
        raise UserError(f"benchmark.path={path} has no {INDEX}: it is not DLEBench.")
    fields = (*_FOLDERS, "edit_operation", *([] if type_field is None else [type_field]))
    records: list[Record] = []
    for index, entry in enumerate(read_lines(index_file)):
        check_texts(index_file, str(index), entry, fields)
        pictures = {
            name: str(within(directory / folder, entry[name], f"{index_file}: {name}"))
            for name, folder in _FOLDERS.items()
        }
        records.append(
            {**pictures, "instruction": entry["edit_operation"], "caption": entry.get("prompt_clean") or ""}
            | {"type": "" if type_field is None else entry[type_field]}
        )

    def convert(row: Record, index: int) -> EditSample:
        return EditSample(
            sample_id=f"{index}-{Path(row['image']).stem}",  # a picture may be edited in several ways
            source_id=Path(row["image"]).name,
            source=picture(row["image"]),
            instruction=row["instruction"],
            edit_type=row["type"],
            target=picture(row["reference_image"]),
            source_caption=row["caption"],
        )

    return Table(records, convert, tuple(_FOLDERS), lacks=("edit_mask",))
