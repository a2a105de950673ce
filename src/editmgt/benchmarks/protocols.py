"""The field's protocols: their published columns as samples. What each leaves unknown stays None."""

from pathlib import Path
from typing import Any

from editmgt.benchmarks.entries import read_entries
from editmgt.benchmarks.pictures import is_missing, picture, run_length_mask
from editmgt.benchmarks.sample import BenchmarkSample
from editmgt.benchmarks.tables import Record, Table, check_keys, open_table
from editmgt.errors import UserError
from editmgt.paths import within


def emu_edit(path: str, split: str) -> Table:
    """Emu Edit's test set (``facebook/emu_edit_test_set``): no target; judged against source and captions.

    Every row counts: rows whose two captions are equal are kept, which lowers CLIP_out where others drop them.
    """
    table = open_table(
        path, split, ("instruction", "task", "idx", "input_caption", "output_caption"), ("image",)
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
    pictures, captions = ("image_file", "edited_file"), ("input", "output")
    table = open_table(path, split, ("edit_instruction", "edit_type"), pictures, captions)

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
    fields = ("original_prompt", "editing_prompt", "editing_instruction")
    pictures: tuple[str, ...]
    if mapping.is_file():
        entries = read_entries(mapping, ("image_path", *fields))
        check_keys(path, "key", entries)
        records: Any = [{"key": key, **entry} for key, entry in entries.items()]
        for record in records:
            named = str(Path("annotation_images") / record["image_path"])
            record["image"] = str(within(directory, named, f"benchmark.path={path}: image_path"))
        pictures = ("image",)
    else:
        columns = ("mask", "editing_type_id", *fields)
        records, pictures = open_table(path, split, columns, ("image",), ("key", "id")), ()
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

    return Table(records, convert, pictures, lacks=("target",))


def gedit(path: str, split: str, language: str) -> Table:
    """GEdit-Bench (``stepfun-ai/GEdit-Bench``): one language's 606 rows; neither target nor mask, for a judge."""
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

    def convert(row: Record, index: int) -> BenchmarkSample:
        return BenchmarkSample(
            sample_id=row["key"],
            source_id=row["id"],
            source=picture(row["image"]),
            instruction=row["prompt"],
            edit_type=row["edit_type"],
        )

    return Table(records, convert, ("image",), lacks=("target", "edit_mask"))
