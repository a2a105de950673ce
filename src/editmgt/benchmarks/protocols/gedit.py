"""GEdit-Bench (``stepfun-ai/GEdit-Bench``): 606 rows a language; neither target nor mask, for a judge."""

import math
from collections.abc import Mapping
from typing import Literal

from editmgt.benchmarks.judging import ANSWER, Judging, Question
from editmgt.benchmarks.pictures import picture
from editmgt.benchmarks.published import EDITMGT, Published
from editmgt.benchmarks.table_rows import Record, Table, check_keys, open_table
from editmgt.data.sample import EditSample
from editmgt.errors import UserError
from editmgt.settings.ranges import Text

PUBLISHED = (Published("EditMGT 960M, English", {"judge/overall": 5.87}, EDITMGT),)
_QUESTIONS = (
    Question(
        "semantic",
        "The first picture was edited into the second by this instruction: {instruction}\n"
        "Give two numbers from 0 to 10. First, how well the second picture carries the instruction out: 0 not at "
        "all, 10 completely. Second, how well everything that the instruction does not ask to change has been "
        "kept: 0 it is another scene, 10 nothing else changed.\n" + ANSWER % "instruction, kept",
        ("success", "kept"), 0, 10, shows_source=True,
    ),
    Question(
        "quality",
        "This picture was made by a program. Give two numbers from 0 to 10. First, how natural it looks as a "
        "whole (light, shadows, sense of distance): 0 not at all, 10 like a photograph or a drawing by hand. "
        "Second, how free it is of flaws such as distortion, blur, broken shapes or misplaced parts: 0 full of "
        "them, 10 none.\n" + ANSWER % "natural, free of flaws",
        ("naturalness", "artifacts"), 0, 10, shows_source=False,
    ),
)  # fmt: skip


def _scores(answers: Mapping[str, float]) -> tuple[float, ...]:
    semantic = min(answers["success"], answers["kept"])
    quality = min(answers["naturalness"], answers["artifacts"])
    return semantic, quality, math.sqrt(semantic * quality)


JUDGING = Judging(_QUESTIONS, ("judge/semantic", "judge/quality", "judge/overall"), _scores, by_type=True)


def folders(sample: EditSample) -> tuple[str, ...]:
    """Return where the official scorer looks under ``images/``."""
    return "fullset", sample.edit_type, sample.slice


def rows(path: Text, split: Text, language: Literal["en", "cn"]) -> Table:
    """Return one language's rows."""
    columns = ("task_type", "key", "instruction", "instruction_language")
    table = open_table(path, split, columns, ("input_image",))
    languages = table["instruction_language"]
    table = table.select([i for i, found in enumerate(languages) if found == language])
    if not len(table):
        raise UserError(
            f"benchmark.language={language}: benchmark.path={path} has no row of it; "
            f"it has {', '.join(sorted(set(languages))) or 'none'}."
        )
    check_keys(path, "key", table["key"])
    check_keys(path, "task_type", set(table["task_type"]))

    def convert(row: Record, index: int) -> EditSample:
        return EditSample(
            sample_id=row["key"],
            source_id=row["key"],
            source=picture(row["input_image"]),
            instruction=row["instruction"],
            edit_type=row["task_type"],
            slice=language,
        )

    return Table(table, convert, ("input_image",), lacks=("target", "edit_mask"))
