"""Released files that are broken, reach too far or are not what they should be: one line each."""

import json
from pathlib import Path
from typing import Any

import datasets
import pytest
from released_layouts import COMMON, anybench, emu_edit, gedit, imgedit, magicbrush, pie_bench, png

from editmgt.benchmarks import build
from editmgt.config.benchmark import Benchmark
from editmgt.errors import UserError


def test_bytes_that_are_no_picture_are_told_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the picture cannot be read as an image: these bytes are no picture"):
        build(Benchmark.of(magicbrush(tmp_path)))[3]


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
