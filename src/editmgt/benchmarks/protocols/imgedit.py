"""ImgEdit-Bench's Basic-Bench: neither target nor mask, for a judge."""

import math
from collections.abc import Mapping
from pathlib import Path

from editmgt.benchmarks.entries import read_entries
from editmgt.benchmarks.judging import ANSWER, Judging, Question
from editmgt.benchmarks.pictures import picture
from editmgt.benchmarks.table_rows import Record, Table, check_keys
from editmgt.data.sample import EditSample
from editmgt.errors import UserError
from editmgt.paths import within
from editmgt.settings.ranges import Text

_QUESTIONS = (
    Question(
        "edit",
        "The first picture was edited into the second by this instruction: {instruction}\n"
        "Give three whole numbers from 1 (worst) to 5 (best): how well the instruction was carried out; how well "
        "the edited part fits the rest in style, light and edges; how well details that the instruction does not "
        "concern, and the physics of the scene, were kept. Neither the second nor the third number may be higher "
        "than the first.\n" + ANSWER % "instruction, fit, kept",
        ("instruction", "fit", "kept"), 1, 5, shows_source=True,
    ),
)  # fmt: skip


def _scores(answers: Mapping[str, float]) -> tuple[float, ...]:
    values = [answers[name] for name in ("instruction", "fit", "kept")]
    return (*values, math.fsum(values) / len(values))


JUDGING = Judging(
    _QUESTIONS, ("judge/instruction", "judge/fit", "judge/kept", "judge/overall"), _scores, by_type=False
)


def rows(path: Text) -> Table:
    """Return the rows of a directory with ``basic_edit.json`` and the pictures that it names, as released."""
    directory = Path(path)
    index_file = directory / "basic_edit.json"
    if not index_file.is_file():
        raise UserError(f"benchmark.path={path} has no basic_edit.json: it is not ImgEdit's Basic-Bench.")
    entries = read_entries(index_file, ("id", "prompt", "edit_type"))
    check_keys(path, "key", entries)
    records: list[Record] = []
    for key, entry in entries.items():
        places = [
            within(directory, str(Path(folder) / entry["id"]), f"benchmark.path={path}: id")
            for folder in ("", "singleturn")
        ]
        image = next((place for place in places if place.is_file()), places[0])
        records.append({"key": key, **entry, "image": str(image)})

    def convert(row: Record, index: int) -> EditSample:
        return EditSample(
            sample_id=row["key"],
            source_id=row["id"],
            source=picture(row["image"]),
            instruction=row["prompt"],
            edit_type=row["edit_type"],
        )

    return Table(records, convert, ("image",), lacks=("target", "edit_mask"), instruction="prompt")
