"""GIDE-Bench (arXiv 2603.21176; Zivenzhu/GIDE, ``Zifeng618/GIDE-Bench``): 805 pictures, two edits in each instruction.

Of its instructions 200 name the object of the first edit by four points and 198 by a box, in pixels of the picture as it
is. That region is the row's mask. It is where one of the two edits happens (of one that adds something, what it is added
to), so the other edit counts as a change outside: compare cells by ``outside/`` and ``localization/``, and read no value
by itself. Rows without a region have no mask. ``slice`` says which way a row names it: ``points``, ``box`` or ``words``.
"""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.spatial import ConvexHull, QhullError

from editmgt.benchmarks.entries import check_texts, read_entries
from editmgt.benchmarks.judging import ANSWER, Judging, Question
from editmgt.benchmarks.pictures import picture
from editmgt.benchmarks.table_rows import Record, Table, check_keys
from editmgt.data.sample import EditSample
from editmgt.errors import UserError
from editmgt.files import read_object
from editmgt.paths import within
from editmgt.settings.ranges import Text

INDEX, CAPTIONS = "edit_instructions.json", "input_all.json"
_NAMED = {"points": "four-point region", "box": "bounding box"}
_POINTS = re.compile(
    r"four-point region defined by the coordinates \[(\[-?\d+, -?\d+\](?:, \[-?\d+, -?\d+\]){3})\]"
)
_BOX = re.compile(
    r"bounding box \[(-?\d+(?:, -?\d+){3})\] \(formatted as \[x, y, width, height\], "
    r"where \(x, y\) is the top-left corner\)"
)
_QUESTION = Question(
    "edits",
    "The first picture was edited into the second. These two edits were asked for: {instruction}\n"
    "Look at each of the two by itself and give two numbers from 1 (worst) to 5 (best). First, compliance: 1 it was not "
    "made or something else was changed, 3 mostly made but with remains or other objects touched, 5 exactly what was asked "
    "for and nothing else. Second, naturalness of what was changed: 1 broken, 3 right in style but with clashing light, "
    "seams or blur, 5 it cannot be told that there was an edit.\n"
    + ANSWER % "compliance of 1, naturalness of 1, compliance of 2, naturalness of 2",
    ("compliance_1", "naturalness_1", "compliance_2", "naturalness_2"), 1, 5, shows_source=True,
)  # fmt: skip


def _scores(answers: Mapping[str, float]) -> tuple[float, ...]:
    compliance = (answers["compliance_1"] + answers["compliance_2"]) / 2
    naturalness = (answers["naturalness_1"] + answers["naturalness_2"]) / 2
    return compliance, naturalness, math.sqrt(compliance * naturalness)  # the last is ours


JUDGING = Judging(
    (_QUESTION,), ("judge/compliance", "judge/naturalness", "judge/overall"), _scores, by_type=False
)


def rows(path: Text) -> Table:
    """Return the rows of a directory with ``edit_instructions.json`` and ``img/``, as released.

    Captions are read from ``input_all.json`` where it is there: the target's is that after both edits.
    """
    directory = Path(path)
    index_file, captions_file = directory / INDEX, directory / CAPTIONS
    if not index_file.is_file():
        raise UserError(f"benchmark.path={path} has no {INDEX}: it is not GIDE-Bench.")
    entries = read_entries(index_file, ("img_path", "edit_instructions", "edit_type", "evaluation"))
    check_keys(path, "key", entries)
    captions = read_object(captions_file) if captions_file.is_file() else {}
    records: list[Record] = []
    for key, entry in entries.items():
        of_entry = captions.get(key, {"source_prompt": "", "target_prompt2": ""})
        check_texts(captions_file, key, of_entry, ("source_prompt", "target_prompt2"))
        image = str(within(directory, entry["img_path"], f"{index_file}: img_path"))
        records.append({"key": key, **entry, **of_entry, "image": image})
    unmasked = not any(_way(entry["edit_instructions"]) for entry in entries.values())
    lacks = ("target", "edit_mask") if unmasked else ("target",)
    return Table(records, _sample, ("image",), lacks, instruction="edit_instructions")


def region(instruction: str, size: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Return bool [height, width] of the region that an instruction names in the released words; None where it names none.

    ``size`` is the picture's (width, height). Four points are the corners of their convex hull, in whatever order: three of the
    released rows name them so that their lines cross. A box is ``[x, y, width, height]``. A ``ValueError`` for a region that
    is named in another way, leaves the picture, or has no area.
    """
    way = _way(instruction)
    if not way:
        return None
    found = (_POINTS if way == "points" else _BOX).findall(instruction)
    if len(found) != 1 or any(text in instruction for text in _NAMED.values() if text != _NAMED[way]):
        raise ValueError(f"the instruction names a region that cannot be read: {instruction[:200]}")
    numbers = [int(text) for text in re.findall(r"-?\d+", found[0])]
    return _hull(numbers, size) if way == "points" else _box(numbers, size)


def _way(instruction: str) -> str:
    """How an instruction names a region, or ``""``."""
    return next((way for way, text in _NAMED.items() if text in instruction), "")


def _hull(numbers: Sequence[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    points = np.array(numbers).reshape(-1, 2)
    if (points < 0).any() or (points >= size).any():
        raise ValueError(f"the points {points.tolist()} leave the picture of {size[0]}x{size[1]} pixels")
    try:
        corners = points[ConvexHull(points).vertices]
    except QhullError:
        raise ValueError(f"the points {points.tolist()} have no area") from None
    drawn = Image.new("1", size)
    ImageDraw.Draw(drawn).polygon([(int(x), int(y)) for x, y in corners], fill=1, outline=1)
    return np.array(drawn)


def _box(numbers: Sequence[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    x, y, width, height = numbers
    if width < 1 or height < 1:
        raise ValueError(f"the box {list(numbers)} has no area")
    if x < 0 or y < 0 or x + width > size[0] or y + height > size[1]:
        raise ValueError(f"the box {list(numbers)} leaves the picture of {size[0]}x{size[1]} pixels")
    inside = np.zeros((size[1], size[0]), bool)
    inside[y : y + height, x : x + width] = True
    return inside


def _sample(row: Record, index: int) -> EditSample:
    source, instruction = picture(row["image"]), row["edit_instructions"]
    return EditSample(
        sample_id=row["key"],
        source_id=row["key"],
        source=source,
        instruction=instruction,
        asked=row["evaluation"],
        edit_type=row["edit_type"],
        edit_mask=region(instruction, (source.shape[1], source.shape[0])),
        source_caption=row["source_prompt"],
        target_caption=row["target_prompt2"],
        slice=_way(instruction) or "words",
    )
