"""The field's protocols: their published columns as samples. What each leaves unknown stays None."""

from pathlib import Path
from typing import Any

from editmgt.benchmarks.pictures import is_missing, mask, picture, run_length_mask
from editmgt.benchmarks.sample import BenchmarkSample
from editmgt.benchmarks.tables import Record, Table, check_keys, open_table
from editmgt.errors import UserError
from editmgt.files import read_json


def magicbrush(path: str, split: str, turns: str) -> Table:
    """MagicBrush (``osunlp/MagicBrush``): every turn on its own, or whole sessions (``evaluation/image_eval.py``).

    ``turns`` is ``all`` (each turn starts from the picture that its row gives) or ``final`` (a session's turns one
    after the other, each on the result of the one before, judged by the last target). The authors' CLIP-T reads local captions that no column holds.
    """
    table = open_table(
        path, split, ("img_id", "turn_index", "source_img", "mask_img", "instruction", "target_img")
    )
    turn_keys = (
        f"{row['img_id']}-{row['turn_index']}" for row in table.select_columns(["img_id", "turn_index"])
    )
    check_keys(path, "img_id-turn_index", turn_keys)
    if turns == "all":
        return Table(table, _magicbrush_turn)
    sessions: dict[str, list[int]] = {}
    indexed = table.select_columns(["img_id", "turn_index"])
    for position, row in sorted(enumerate(indexed), key=lambda item: int(item[1]["turn_index"])):
        sessions.setdefault(str(row["img_id"]), []).append(position)
    last = table.select([positions[-1] for positions in sessions.values()])

    def convert(row: Record, index: int) -> BenchmarkSample:
        positions = sessions[str(row["img_id"])]
        first = table[positions[0]]
        return BenchmarkSample(
            sample_id=f"{row['img_id']}-final",
            source_id=str(row["img_id"]),
            source=picture(first["source_img"]),
            instruction=row["instruction"],
            edit_type=f"{len(positions)} turns",
            target=picture(row["target_img"]),  # no mask: a row's is of its own turn, not of the session
            before=tuple(table[position]["instruction"] for position in positions[:-1]),
        )

    return Table(last, convert, lacks=("edit_mask",))


def _magicbrush_turn(row: Record, index: int) -> BenchmarkSample:
    target = picture(row["target_img"])
    return BenchmarkSample(
        sample_id=f"{row['img_id']}-{row['turn_index']}",
        source_id=str(row["img_id"]),
        source=picture(row["source_img"]),
        instruction=row["instruction"],
        edit_type=f"turn {row['turn_index']}",
        target=target,
        edit_mask=mask(row["mask_img"], target.shape[:2], hole=True),
    )


def emu_edit(path: str, split: str) -> Table:
    """Emu Edit's test set (``facebook/emu_edit_test_set``): no target; judged against source and captions.

    Every row counts: rows whose two captions are equal are kept, which lowers CLIP_out where others drop them.
    """
    table = open_table(
        path, split, ("instruction", "image", "task", "idx", "input_caption", "output_caption")
    )

    def convert(row: Record, index: int) -> BenchmarkSample:
        return BenchmarkSample(
            sample_id=f"{index}-{row['idx']}",  # nobody promises that idx is there once
            source_id=str(row["idx"]),
            source=picture(row["image"]),
            instruction=row["instruction"],
            edit_type=row["task"],
            source_caption=row["input_caption"] or "",
            target_caption=row["output_caption"] or "",
        )

    return Table(table, convert, lacks=("target", "edit_mask"))


def anybench(path: str, split: str) -> Table:
    """AnyBench (AnyEdit-Test): 25 edit types, judged against targets."""
    table = open_table(path, split, ("image_file", "edited_file", "edit_instruction", "edit_type"))

    def convert(row: Record, index: int) -> BenchmarkSample:
        return BenchmarkSample(
            sample_id=f"{row['edit_type']}-{index}",
            source_id=str(index),
            source=picture(row["image_file"]),
            instruction=row["edit_instruction"],
            edit_type=row["edit_type"],
            target=None if is_missing(row["edited_file"]) else picture(row["edited_file"]),
            source_caption=row.get("input") or "",
            target_caption=row.get("output") or "",
        )

    return Table(table, convert, lacks=("edit_mask",))


def pie_bench(path: str, split: str) -> Table:
    """PIE-Bench (cure-lab/PnPInversion): ``mapping_file.json`` with ``annotation_images/``, or a table of its fields.

    No target: judged by what changed outside the mask and by captions.
    """
    directory = Path(path)
    mapping = directory / "mapping_file.json"
    if mapping.is_file():
        entries = read_json(mapping)
        records: Any = [{"key": key, **entry} for key, entry in entries.items()]
        images = directory / "annotation_images"
        records = [record | {"image": str(images / record["image_path"])} for record in records]
        files = [Path(record["image"]) for record in records]
    else:
        columns = (
            "image",
            "mask",
            "original_prompt",
            "editing_prompt",
            "editing_instruction",
            "editing_type_id",
        )
        records, files = open_table(path, split, columns), []
        for name in ("key", "id"):
            if name in records.column_names:
                check_keys(path, name, (str(key) for key in records[name] if key))
                break

    def convert(row: Record, index: int) -> BenchmarkSample:
        source = picture(row["image"])
        key = str(row.get("key") or row.get("id") or index)
        return BenchmarkSample(
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

    return Table(records, convert, files, lacks=("target",))


def gedit(path: str, split: str, language: str) -> Table:
    """GEdit-Bench (``stepfun-ai/GEdit-Bench``): one language's 606 rows; neither target nor mask, for a judge."""
    columns = ("task_type", "key", "instruction", "instruction_language", "input_image")
    table = open_table(path, split, columns)
    languages = table["instruction_language"]
    table = table.select([i for i, found in enumerate(languages) if found == language])
    if not len(table):
        raise UserError(
            f"benchmark.language={language}: benchmark.path={path} has no row of it; "
            f"it has {', '.join(sorted(set(languages))) or 'none'}."
        )
    check_keys(path, "key", table["key"])

    def convert(row: Record, index: int) -> BenchmarkSample:
        return BenchmarkSample(
            sample_id=row["key"],
            source_id=row["key"],
            source=picture(row["input_image"]),
            instruction=row["instruction"],
            edit_type=row["task_type"],
            slice=language,
        )

    return Table(table, convert, lacks=("target", "edit_mask"))


def imgedit(path: str) -> Table:
    """ImgEdit-Bench: a directory with ``basic_edit.json`` and the pictures it names, as released; for a judge."""
    directory = Path(path)
    index_file = directory / "basic_edit.json"
    if not index_file.is_file():
        raise UserError(f"benchmark.path={path} has no basic_edit.json: it is not ImgEdit's Basic-Bench.")
    roots = [directory, directory / "singleturn"]
    records: list[Record] = []
    for key, entry in read_json(index_file).items():
        found = [root / entry["id"] for root in roots if (root / entry["id"]).is_file()]
        records.append({"key": key, **entry, "image": str(found[0] if found else roots[0] / entry["id"])})

    def convert(row: Record, index: int) -> BenchmarkSample:
        return BenchmarkSample(
            sample_id=row["key"],
            source_id=row["id"],
            source=picture(row["image"]),
            instruction=row["prompt"],
            edit_type=row["edit_type"],
        )

    files = [Path(record["image"]) for record in records]
    return Table(records, convert, files, lacks=("target", "edit_mask"))
