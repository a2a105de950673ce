"""MagicBrush (OSU-NLP-Group/MagicBrush): its table on the hub, and its test set as released.

Every turn on its own (``turns=all``: each starts from the picture that the data give), or whole sessions (``final``: a
session's turns one after the other, each on the result of the one before, judged by the last target), as in the
authors' ``evaluation/image_eval.py``. A mask is the source with a transparent hole where the turn may change it.
"""

from pathlib import Path
from typing import Any, Literal

from editmgt.benchmarks.entries import check_texts
from editmgt.benchmarks.pictures import mask, picture
from editmgt.benchmarks.published import EDITMGT, QUOTED, Published
from editmgt.benchmarks.table_rows import Record, Table, check_keys, open_table
from editmgt.data.sample import EditSample
from editmgt.errors import UserError
from editmgt.files import read_object
from editmgt.paths import within
from editmgt.settings.ranges import Text

PUBLISHED = (
    Published("EditMGT 960M", {"clip/i": 0.911, "whole/l1": 0.058, "dino/i": 0.881}, EDITMGT),
    Published("AnyEdit", {"clip/i": 0.898, "whole/l1": 0.051, "dino/i": 0.881}, QUOTED),
    Published("VAREdit-8B", {"clip/i": 0.901, "whole/l1": 0.083, "dino/i": 0.844}, QUOTED),
    Published(
        "MagicBrush's own checkpoint, all turns",
        {"whole/l1": 0.0656, "clip/i": 0.9253, "dino/i": 0.8895, "clip/t": 0.2722},
        "OSU-NLP-Group/MagicBrush",
    ),
)

SESSIONS, CAPTIONS = "edit_sessions.json", "local_descriptions.json"
_COLUMNS = ("img_id", "turn_index", "instruction")
_PICTURES = ("source_img", "mask_img", "target_img")


def rows(path: Text, split: Text, turns: Literal["all", "final"]) -> Table:
    """Return the rows of a table (``osunlp/MagicBrush``), or of the directory that the test set's zip unpacks to.

    The latter holds the authors' local captions, which CLIP-T reads; in the table there are none.
    """
    if path.endswith(".zip"):
        raise UserError(
            f"benchmark.path={path} is the zip itself: unzip it (the password is in the authors' README) and name "
            "the directory."
        )
    found = [place for place in (Path(path), Path(path) / "test") if (place / SESSIONS).is_file()]
    if found:
        return _table(_released(found[0]), turns)
    table = open_table(path, split, _COLUMNS, _PICTURES)
    keys = (f"{row['img_id']}-{row['turn_index']}" for row in table.select_columns(["img_id", "turn_index"]))
    check_keys(path, "img_id-turn_index", keys)
    return _table(table, turns)


def _released(directory: Path) -> list[Record]:
    """The columns of the table, and ``caption``, out of ``edit_sessions.json``, ``local_descriptions.json``, ``images/``."""
    sessions_file, captions_file = directory / SESSIONS, directory / CAPTIONS
    captions = read_object(captions_file) if captions_file.is_file() else {}
    records: list[Record] = []
    for session, edits in read_object(sessions_file).items():
        if not isinstance(edits, list):
            raise UserError(f"{sessions_file}: session {session} is no list of turns.")
        of_session = captions.get(session, {})
        for turn, edit in enumerate(edits, 1):
            key = f"{session}-{turn}"
            check_keys(str(directory), "session", [key])
            check_texts(sessions_file, key, edit, ("input", "mask", "output", "instruction"))
            caption = of_session.get(edit["output"]) if isinstance(of_session, dict) else None
            if not isinstance(caption, str | None):
                raise UserError(
                    f"{captions_file}: {edit['output']} has no text, but {type(caption).__name__}."
                )
            record = {"img_id": session, "turn_index": turn, "instruction": edit["instruction"]}
            for of, name in (("source", "input"), ("mask", "mask"), ("target", "output")):
                named = str(Path("images", session, edit[name]))
                record[f"{of}_img"] = str(within(directory, named, f"{sessions_file}: {name}"))
            records.append(record | {"caption": caption or ""})
    return records


def _table(records: Any, turns: str) -> Table:
    every = Table(records, _turn, _PICTURES)
    if turns == "all":
        return every
    texts = records if isinstance(records, list) else records.select_columns([*_COLUMNS])
    sessions: dict[str, list[int]] = {}
    for position, row in sorted(enumerate(texts), key=lambda item: int(item[1]["turn_index"])):
        sessions.setdefault(str(row["img_id"]), []).append(position)
    # a session is made of several rows: the content of all of them is its identity
    chosen = [
        {"img_id": session, "instruction": texts[positions[-1]]["instruction"], "rows": every.digest}
        for session, positions in sessions.items()
    ]

    def convert(row: Record, index: int) -> EditSample:
        of_session = [records[position] for position in sessions[row["img_id"]]]
        return EditSample(
            sample_id=f"{row['img_id']}-final",
            source_id=row["img_id"],
            source=picture(of_session[0]["source_img"]),
            instruction=row["instruction"],
            edit_type=f"{len(of_session)} turns",
            target=picture(
                of_session[-1]["target_img"]
            ),  # no mask: a row's is of its own turn, not of the session
            target_caption=of_session[-1].get("caption", ""),
            before=tuple(turn["instruction"] for turn in of_session[:-1]),
        )

    return Table(chosen, convert, lacks=("edit_mask",))


def _turn(row: Record, index: int) -> EditSample:
    source, target = picture(row["source_img"]), picture(row["target_img"])
    return EditSample(
        sample_id=f"{row['img_id']}-{row['turn_index']}",
        source_id=str(row["img_id"]),
        source=source,
        instruction=row["instruction"],
        edit_type=f"turn {row['turn_index']}",
        target=target,
        edit_mask=mask(row["mask_img"], target.shape[:2], source.shape[:2], hole=True),
        target_caption=row.get("caption", ""),
    )
