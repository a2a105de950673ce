"""Miniatures of the published data sets, in their columns and types, through the loading code and the editor."""

import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from editmgt.benchmarks import BenchmarkSample, build, rows_digest
from editmgt.benchmarks.lookup import instructions, picture_path
from editmgt.benchmarks.pictures import run_length_mask
from editmgt.config.benchmark import Benchmark
from editmgt.editing import Editor
from editmgt.errors import UserError
from editmgt.evaluation import controls, evaluate

pytestmark = pytest.mark.filterwarnings("ignore::editmgt.editing.InstructionCut")
PICTURE = datasets.Image()
TEXT = datasets.Value("string")
COMMON = {"size": None, "batch_size": 4, "seed": 0}


def png(width: int = 32, height: int = 32, seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def cell(*arguments: int) -> dict[str, Any]:
    return {"bytes": png(*arguments), "path": None}


def mask_cell(width: int = 32, height: int = 32) -> dict[str, Any]:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return {"bytes": buffer.getvalue(), "path": None}


def cut_out(seed: int, width: int = 32, height: int = 32) -> dict[str, Any]:
    """A picture with a transparent hole in its upper half, as MagicBrush publishes what a turn may change."""
    pixels = np.array(Image.open(io.BytesIO(png(width, height, seed))).convert("RGBA"))
    pixels[: height // 2, :, 3] = 0
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return {"bytes": buffer.getvalue(), "path": None}


def parquet(path: Path, rows: list[dict[str, Any]], features: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_list(rows, datasets.Features(features)).to_parquet(path)
    return path


def magicbrush(path: Path) -> dict[str, Any]:
    def turn(image: str, index: int, **changes: Any) -> dict[str, Any]:
        return {
            "img_id": image, "turn_index": index, "source_img": cell(32, 32, index),
            "mask_img": cut_out(index), "instruction": f"turn {index} of {image}", "target_img": cell(32, 32, index + 1),
        } | changes  # fmt: skip

    rows = [
        turn("242679", 1),
        turn("242679", 2, target_img=cell(40, 24, 9), mask_img=cut_out(2)),  # unequal sizes
        turn("139", 1, mask_img=None),
        turn("7", 1, source_img={"bytes": b"not a picture", "path": None}),
    ]
    features = {
        "img_id": TEXT, "turn_index": datasets.Value("int32"), "source_img": PICTURE, "mask_img": PICTURE,
        "instruction": TEXT, "target_img": PICTURE,
    }  # fmt: skip
    parquet(path / "data" / "dev-00000-of-00001.parquet", rows, features)
    return {"name": "magicbrush", "path": str(path), "split": "dev", "turns": "all", **COMMON}


def emu_edit(path: Path) -> dict[str, Any]:
    rows = [
        {
            "instruction": f"edit {i}", "image": cell(32, 24, i), "task": "local", "split": "test", "idx": i,
            "hash": "x", "input_caption": "a", "output_caption": None if i else "b",
        }
        for i in range(2)
    ]  # fmt: skip
    features = {
        "instruction": TEXT, "image": PICTURE, "task": TEXT, "split": TEXT, "idx": datasets.Value("int64"),
        "hash": TEXT, "input_caption": TEXT, "output_caption": TEXT,
    }  # fmt: skip
    return {
        "name": "emu_edit", "path": str(parquet(path / "x.parquet", rows, features)), "split": "test", **COMMON,
    }  # fmt: skip


def anybench(path: Path) -> dict[str, Any]:
    rows = [
        {
            "image_file": cell(32, 32, i), "edited_file": cell(32, 32, i + 5), "edit_instruction": f"do {i}",
            "edit_type": ("add", "remove")[i], "input": "a dog", "output": "a cat",
        }
        for i in range(2)
    ]  # fmt: skip
    features = {
        "image_file": PICTURE, "edited_file": PICTURE, "edit_instruction": TEXT, "edit_type": TEXT, "input": TEXT,
        "output": TEXT,
    }  # fmt: skip
    file = parquet(path / "x.parquet", rows, features)
    return {"name": "anybench", "path": str(file), "split": "train", **COMMON}


def pie_bench(path: Path) -> dict[str, Any]:
    folder = path / "annotation_images" / "0_random_140"
    folder.mkdir(parents=True)
    entries = {}
    for i in range(2):
        (folder / f"00{i}.jpg").write_bytes(png(32, 32, i))
        entries[f"00{i}"] = {
            "image_path": f"0_random_140/00{i}.jpg", "original_prompt": "a [round] cake", "editing_prompt":
            "a [square] cake", "editing_instruction": "make it square", "editing_type_id": str(i),
            "blended_word": "cake cake", "mask": [0, 64, 320, 40] if i else [],
        }  # fmt: skip
    (path / "mapping_file.json").write_text(json.dumps(entries))
    return {"name": "pie_bench", "path": str(path), "split": "train", **COMMON}


def gedit(path: Path) -> dict[str, Any]:
    rows = [
        {
            "task_type": "color_alter", "key": f"k{i}", "instruction": f"recolor {i}", "instruction_language": lang,
            "input_image": cell(32, 24, i), "input_image_raw": cell(48, 36, i), "Intersection_exist": True,
        }
        for i, lang in enumerate(("en", "cn", "en"))
    ]  # fmt: skip
    features = {
        "task_type": TEXT, "key": TEXT, "instruction": TEXT, "instruction_language": TEXT, "input_image": PICTURE,
        "input_image_raw": PICTURE, "Intersection_exist": datasets.Value("bool"),
    }  # fmt: skip
    parquet(path / "data" / "train-00000-of-00001.parquet", rows, features)
    return {"name": "gedit", "path": str(path), "split": "train", "language": "en", **COMMON}


def imgedit(path: Path) -> dict[str, Any]:
    (path / "singleturn" / "animal").mkdir(parents=True)
    (path / "singleturn" / "animal" / "1.jpg").write_bytes(png())
    entries = {
        "1082": {"id": "animal/1.jpg", "prompt": "make it red", "edit_type": "color"},
        "3": {"id": "animal/gone.jpg", "prompt": "make it blue", "edit_type": "color"},
    }
    (path / "basic_edit.json").write_text(json.dumps(entries))
    return {"name": "imgedit", "path": str(path), **COMMON}


def folder(path: Path) -> dict[str, Any]:
    for name in ("source", "target", "masks"):
        (path / name).mkdir(parents=True)
    for stem in ("a", "b"):
        (path / "source" / f"{stem}.jpg").write_bytes(png(32, 24))
        (path / "target" / f"{stem}.png").write_bytes(png(32, 24, 1))
    (path / "masks" / "b.png").write_bytes(mask_cell(32, 24)["bytes"])
    lines = [{"file": "a.jpg", "instruction": "one"}, {"file": "b", "instruction": "two", "type": "color"}]
    (path / "instructions.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    return {"name": "folder", "path": str(path), **COMMON}


def gedit_v2(path: Path) -> dict[str, Any]:
    rows = [
        {"key": f"subject_add_{i:06}", "instruction": f"add {i}", "source_image": cell(24 + 8 * i, 32, i)}
        for i in range(2)
    ]
    features = {"key": TEXT, "instruction": TEXT, "source_image": PICTURE}
    parquet(path / "data" / "train-00000-of-00001.parquet", rows, features)
    return {"name": "gedit_v2", "path": str(path), "split": "train", **COMMON}


def gide(path: Path) -> dict[str, Any]:
    """Its five kinds of rows: by points, by a box, by words; without its picture; with a region that leaves it."""
    (path / "img").mkdir(parents=True)
    named = (
        "Remove the object located at the four-point region defined by the coordinates [[30, 2], [1, 1], [1, 12], "
        "[30, 14]] on the wall, and add a hat.",
        "Replace the object inside the bounding box [4, 0, 10, 6] (formatted as [x, y, width, height], where (x, y) is "
        "the top-left corner) with a cup, and add a hat.",
        "Replace the moon with a sun, and add a hat.",
        "Replace the moon with a star, and add a hat.",
        "Remove the object inside the bounding box [4, 0, 100, 6] (formatted as [x, y, width, height], where (x, y) is "
        "the top-left corner), and add a hat.",
    )  # fmt: skip
    for i in (0, 1, 2, 4):
        Image.open(io.BytesIO(png(56, 16, i))).save(path / "img" / f"{i}.jpg")
    entries = {
        str(i): {
            "img_path": f"img/{i}.jpg", "edit_instructions": text, "edit_type": text.split()[0].lower() + "_add",
            "evaluation": f"1. The first of {i}. 2. Add a hat.",
        }
        for i, text in enumerate(named)
    }  # fmt: skip
    (path / "edit_instructions.json").write_text(json.dumps(entries))
    captions = {"0": {"source_prompt": "a clock", "target_prompt1": "a wall", "target_prompt2": "a hat"}}
    (path / "input_all.json").write_text(json.dumps(captions))
    return {"name": "gide", "path": str(path), **COMMON}


def dlebench(path: Path) -> dict[str, Any]:
    rows = []
    for i in range(2):
        for folder in ("Source_Images", "Reference_Images"):
            (path / folder).mkdir(parents=True, exist_ok=True)
            (path / folder / f"{i // 2}.png").write_bytes(png(40, 24, i + len(folder)))
        rows.append({"image": "0.png", "reference_image": "0.png", "edit_operation": f"edit {i}",
                     "prompt_clean": "a street", "kind": "color"})  # fmt: skip
    (path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return {"name": "dlebench", "path": str(path), "type_field": None, **COMMON}


# maker -> rows, rows that fail, rows without target, rows without mask (of those that can be read)
PROTOCOLS: list[tuple[Callable[[Path], dict[str, Any]], int, int, int, int]] = [
    (magicbrush, 4, 1, 0, 1),
    (emu_edit, 2, 0, 2, 2),
    (anybench, 2, 0, 0, 2),
    (pie_bench, 2, 0, 2, 0),
    (gedit, 2, 0, 2, 2),
    (imgedit, 2, 1, 1, 1),
    (folder, 2, 0, 0, 1),
    (gedit_v2, 2, 0, 2, 2),
    (gide, 5, 2, 3, 1),
    (dlebench, 2, 0, 0, 2),
]


@pytest.mark.parametrize(("make", "count", "failed", "no_target", "no_mask"), PROTOCOLS)
def test_every_protocol_runs_end_to_end(
    make: Callable[[Path], dict[str, Any]],
    count: int,
    failed: int,
    no_target: int,
    no_mask: int,
    tiny_editor: Editor,
    tmp_path: Path,
) -> None:
    config = make(tmp_path / "data")
    rows = build(Benchmark.of(config))
    assert len(rows) == count
    out = tmp_path / "out"
    found = evaluate(
        tiny_editor,
        rows,
        tiny_editor.settings,
        out,
        metrics=["whole/l1", "outside/l1", "edit/success"],
        picture_path=lambda sample: picture_path(config["name"], sample),
    )
    assert (found["n"], found["failed"]) == (count - failed, failed)
    assert found.get("whole/l1/undefined", 0) == no_target
    assert found.get("outside/l1/undefined", 0) == no_mask
    assert len(list((out / "images").rglob("*.png"))) == count - failed
    assert len(rows_digest(Benchmark.of(config)) or "") == 16
    table = pandas.read_csv(out / "samples.csv", keep_default_na=False)
    texts, written = instructions(Benchmark.of(config)), table["instruction"].tolist()
    assert len(texts) == count  # known without the pictures
    assert [text for text, kept in zip(texts, written, strict=True) if kept] == [t for t in written if t]
    assert (
        len(build(Benchmark.of(config | {"size": 1})))
        == len(instructions(Benchmark.of(config | {"size": 1})))
        == 1
    )


def samples(config: dict[str, Any]) -> list[BenchmarkSample]:
    rows = build(Benchmark.of(config))
    return [BenchmarkSample.of(rows[i]) for i in range(len(rows))]


def test_bytes_that_are_no_picture_are_told_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the picture cannot be read as an image: these bytes are no picture"):
        build(Benchmark.of(magicbrush(tmp_path)))[3]


def test_controls_run_where_any_row_can_have_them(tiny_editor: Editor, tmp_path: Path) -> None:
    """The folder's first sample has no mask, its second has."""
    rows = build(Benchmark.of(folder(tmp_path / "data")))
    found = controls(tiny_editor, rows, tiny_editor.settings, tmp_path / "out", metrics=["whole/l1"])
    oracle = found["control: oracle mask"]
    assert (oracle["n"], oracle["failed"], oracle["whole/l1/undefined"]) == (2, 0, 1)
    assert found["control: codec round trip of target"]["n"] == 2
    again = controls(
        tiny_editor, rows, tiny_editor.settings, tmp_path / "out", metrics=["whole/l1"], resume=True
    )
    assert again == found


def test_what_a_protocol_never_has_is_known_without_decoding(
    tiny_editor: Editor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = build(Benchmark.of(emu_edit(tmp_path / "data")))
    read: list[int] = []
    convert = rows.convert  # type: ignore[attr-defined]

    def counted(record: Any, index: int) -> BenchmarkSample:
        read.append(index)
        return convert(record, index)

    monkeypatch.setattr(rows, "convert", counted)
    found = controls(tiny_editor, rows, tiny_editor.settings, tmp_path / "out", metrics=["whole/l1"])
    assert set(found) == {"control: copy source", "control: codec round trip of source"}
    assert len(read) == 2 * len(rows)  # once for each control


def test_magicbrush_sessions(tmp_path: Path) -> None:
    config = magicbrush(tmp_path) | {"name": "magicbrush_final", "turns": "final"}
    rows = build(Benchmark.of(config))
    assert len(rows) == 3
    session = BenchmarkSample.of(rows[0])
    assert session.before == ("turn 1 of 242679",) and session.instruction == "turn 2 of 242679"
    assert session.request == "turn 1 of 242679 Then: turn 2 of 242679"  # what a judge is told
    assert session.source.shape == (32, 32, 3) and session.edit_mask is None
    assert session.target is not None and session.target.shape == (24, 40, 3)
    turns = build(Benchmark.of(magicbrush(tmp_path)))
    second = BenchmarkSample.of(turns[1])
    assert second.edit_mask is not None and second.edit_mask.shape == (24, 40)
    assert second.edit_mask[:12].all() and not second.edit_mask[12:].any()  # the hole may change


def test_columns_reach_the_samples(tmp_path: Path) -> None:
    [first, second] = samples(emu_edit(tmp_path / "emu"))
    assert (first.sample_id, first.source_caption, first.target_caption, first.edit_type) == (
        "0-0",
        "a",
        "b",
        "local",
    )
    assert second.target_caption == ""
    pie, masked = samples(pie_bench(tmp_path / "pie"))
    assert pie.target_caption == "a square cake" and pie.edit_mask is not None
    assert not pie.edit_mask[1:-1, 1:-1].any() and pie.edit_mask.sum() == 4 * 31  # no runs: the border alone
    assert masked.edit_mask is not None and masked.edit_mask[:2].all() and masked.edit_mask[10, :31].all()
    english = samples(gedit(tmp_path / "gedit"))
    assert [sample.sample_id for sample in english] == ["k0", "k2"]
    path = picture_path("gedit", english[0])
    assert path == Path("images/fullset/color_alter/en/k0.png")
    for key in ("../../escaped", "/escaped", "sub/folder", "..", ""):
        with pytest.raises(ValueError, match="is no file name"):
            picture_path("imgedit", dataclasses.replace(english[0], sample_id=key))
    [added, _] = samples(gedit_v2(tmp_path / "v2"))
    assert (added.sample_id, added.edit_type) == ("subject_add_000000", "subject_add")
    assert picture_path("gedit_v2", added) == Path("images/subject_add_000000.png")
    [one, two] = samples(folder(tmp_path / "own"))
    assert one.edit_mask is None and two.edit_mask is not None and two.edit_type == "color"


def test_the_digest_follows_content_not_place(tmp_path: Path) -> None:
    first, again = folder(tmp_path / "a"), folder(tmp_path / "b")
    assert rows_digest(Benchmark.of(first)) == rows_digest(Benchmark.of(again))
    (tmp_path / "b" / "target" / "a.png").write_bytes(png(32, 24, 8))
    build(Benchmark.of(first))  # another build in between: the last one is kept
    assert rows_digest(Benchmark.of(first)) != rows_digest(Benchmark.of(again))


@given(
    runs=st.lists(st.tuples(st.integers(0, 11), st.integers(1, 4)), max_size=4),
    height=st.integers(3, 6),
    as_text=st.booleans(),
)
def test_run_length_masks(runs: list[tuple[int, int]], height: int, as_text: bool) -> None:
    numbers = [number for run in runs for number in run]
    found = run_length_mask(json.dumps(numbers) if as_text else numbers, (height, 5))
    for row in range(height):
        for column in range(5):
            border = row in (0, height - 1) or column in (0, 4)
            inside = any(start <= row * 5 + column < start + length for start, length in runs)
            assert found[row, column] == (border or inside)


def test_a_key_that_is_there_twice_and_a_set_without_rows_stop_on_opening(tmp_path: Path) -> None:
    def again(config: dict[str, Any], **filters: Any) -> dict[str, Any]:
        path = Path(config["path"])
        file = path if path.is_file() else next(path.rglob("*.parquet"))
        table = datasets.Dataset.from_parquet(str(file))
        datasets.concatenate_datasets([table, table.select([0])]).to_parquet(str(tmp_path / "twice.parquet"))
        return config | {"path": str(tmp_path / "twice.parquet")} | filters

    twice = build(Benchmark.of(again(emu_edit(tmp_path / "emu"))))
    assert len({twice[i].sample_id for i in range(len(twice))}) == len(twice)
    with pytest.raises(UserError, match="img_id-turn_index 242679-1 is there twice"):
        build(Benchmark.of(again(magicbrush(tmp_path / "brush"))))
    config = gedit(tmp_path / "gedit")
    with pytest.raises(UserError, match="key k0 is there twice"):
        build(Benchmark.of(again(config)))
    with pytest.raises(UserError, match=r"benchmark\.language=de: .* has no row of it; it has cn, en"):
        build(Benchmark.of(config).model_copy(update={"language": "de"}))
    empty = imgedit(tmp_path / "img")
    (tmp_path / "img" / "basic_edit.json").write_text("{}")
    with pytest.raises(UserError, match="has no rows"):
        build(Benchmark.of(empty))


@pytest.mark.parametrize("name", ["../outside.jpg", "/outside.jpg", "link.jpg"])
def test_pictures_outside_a_released_directory_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "outside.jpg").write_bytes(png())
    root = tmp_path / "data"
    pie, edits = pie_bench(root / "pie"), imgedit(root / "img")
    (root / "pie" / "annotation_images" / "link.jpg").symlink_to(tmp_path / "outside.jpg")
    (root / "img" / "link.jpg").symlink_to(tmp_path / "outside.jpg")
    for config, file, field in ((pie, "mapping_file.json", "image_path"), (edits, "basic_edit.json", "id")):
        path = Path(config["path"]) / file
        entries = json.loads(path.read_text())
        entry = next(iter(entries.values()))
        entry[field] = name.replace("..", "../../..") if name[0] == "." else name.replace("/", f"{tmp_path}/")
        path.write_text(json.dumps(entries))
        with pytest.raises(UserError, match=rf"{field} '.*{Path(name).name}' leads out of") as told:
            build(Benchmark.of(config))
        assert "\n" not in str(told.value)


def test_keys_that_are_no_file_names_stop_on_opening(tmp_path: Path) -> None:
    for make, file in ((pie_bench, "mapping_file.json"), (imgedit, "basic_edit.json")):
        config = make(tmp_path / file)
        path = Path(config["path"]) / file
        entries = json.loads(path.read_text())
        path.write_text(json.dumps({"../../x": next(iter(entries.values()))}))
        with pytest.raises(UserError, match=r"key '\.\./\.\./x' is no file name"):
            build(Benchmark.of(config))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{nonsense", "cannot be read as JSON: Expecting property name"),
        (b"[" * 9999, "cannot be read as JSON"),
        (b"\xff\xfe{}", "cannot be read as JSON: 'utf-8' codec"),
        (b"[]", "holds no JSON object, but list"),
        (b'{"1": 3}', "entry 1 is no object, but int"),
        (b'{"1": {"id": "a", "promt": "x", "edit_type": "y"}}', "needs 'prompt', a text. Did you mean 'promt'?"),
        (b'{"1": {"id": 5, "prompt": "x", "edit_type": "y"}}', "entry 1 needs 'id', a text."),
    ],
)  # fmt: skip
def test_a_released_file_that_is_broken_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    config = imgedit(tmp_path)
    (tmp_path / "basic_edit.json").write_bytes(content)
    with pytest.raises(UserError) as told:
        build(Benchmark.of(config))
    assert str(told.value).startswith(str(tmp_path / "basic_edit.json")) and said in str(told.value)
    assert "\n" not in str(told.value)


def test_other_columns_and_missing_data_are_told(tmp_path: Path) -> None:
    path = anybench(tmp_path)["path"]
    with pytest.raises(UserError, match="column instruction: there is no such column; there are"):
        build(Benchmark.of({"name": "emu_edit", "path": path, "split": "test", **COMMON}))
    with pytest.raises(UserError, match=r"nothing\.parquet cannot be read"):
        build(
            Benchmark.of(
                {"name": "emu_edit", "path": str(tmp_path / "nothing.parquet"), "split": "test", **COMMON}
            )
        )
    with pytest.raises(UserError, match=r"basic_edit\.json"):
        build(Benchmark.of({"name": "imgedit", "path": str(tmp_path), **COMMON}))
