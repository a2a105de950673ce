"""Tables as people write them: what can be read is read; what cannot is one short line that names key, column and type."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from edit_files import (
    COLUMNS,
    cells,
    data_config,
    edit_rows,
    encoded,
    picture,
    schemas,
    spec,
    white_square,
    write,
)

from editmgt.benchmarks.pictures import picture as benchmark_picture
from editmgt.benchmarks.table_rows import open_table
from editmgt.config.schema import Edits
from editmgt.data.bad_rows import BadRow
from editmgt.data.edit_data import open_all
from editmgt.data.rows import EditRows
from editmgt.errors import UserError
from editmgt.sweeps.checks import check_data

PNGS = [encoded(picture(i)) for i in range(3)]
BASE = schemas(3)["crispedit"].set_column(1, "input_img", pa.array(PNGS))


def changed(column: str, values: pa.Array) -> pa.Table:
    return BASE.set_column(BASE.column_names.index(column), column, values)


def opened(dataset: dict[str, Any], cache: Path, streaming: bool) -> EditRows:
    return edit_rows("mine", dataset, cache / "hf", streaming=streaming)


def told(rows: EditRows) -> list[str]:
    """Every row's text, or why it is bad."""
    found = []
    for _, tables in rows.parts(100, [0]):
        for table in tables:
            try:
                pair = rows.decode(table)
                assert (np.asarray(pair.source) == np.asarray(picture(len(found) % 3))).all()
                found.append(pair.text)
            except BadRow as error:
                found.append(str(error))
    return found


def named(directory: Path, paths: list[str]) -> pa.Table:
    (directory / "pictures").mkdir()
    for i in range(3):
        picture(i).save(directory / "pictures" / f"{i}.png")
    return changed("input_img", pa.array(paths))


def with_paths(directory: Path) -> Path:
    return write(named(directory, [f"pictures/{i}.png" for i in range(3)]), directory / "t.parquet")


def with_other_unused_columns(directory: Path) -> Path:
    write(BASE.append_column("score", pa.array([1, 2, 3])), directory / "a.parquet")
    write(BASE.append_column("score", pa.array(["x", "y", "z"])), directory / "b.parquet")
    return directory


def with_an_empty_part(directory: Path) -> Path:
    write(BASE.slice(0, 0), directory / "a.parquet")
    write(BASE, directory / "b.parquet")
    return directory


def one(table: pa.Table) -> Callable[[Path], Path]:
    return lambda directory: write(table, directory / "t.parquet")


READABLE: dict[str, Callable[[Path], Path]] = {
    "bytes": one(BASE),
    "a struct of bytes alone": one(changed("input_img", pa.array([{"bytes": png} for png in PNGS]))),
    "large bytes": one(changed("input_img", pa.array(PNGS, pa.large_binary()))),
    "base64": one(changed("input_img", pa.array([base64.b64encode(png).decode() for png in PNGS]))),
    "base64 in lines": one(changed("input_img", pa.array([base64.encodebytes(p).decode() for p in PNGS]))),
    "data: URL": one(
        changed(
            "input_img", pa.array([f"data:image/png;base64,{base64.b64encode(p).decode()}" for p in PNGS])
        )
    ),
    "paths from the table's folder": with_paths,
    "unused columns that differ": with_other_unused_columns,
    "an unused column that is there twice": one(
        pa.Table.from_arrays([*BASE.columns, *BASE.columns[:1] * 2], [*BASE.column_names, "x", "x"])
    ),
    "a part without rows": with_an_empty_part,
    "texts from a dictionary": one(
        changed("instruction", BASE["instruction"].combine_chunks().dictionary_encode())
    ),
    "a name in other letters": lambda directory: write(BASE, directory / "tâblé 表 [1].parquet"),
}


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("name", READABLE)
def test_what_can_be_read_is_read(
    name: str, streaming: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    path = READABLE[name](tmp_path / "data")
    found = told(opened(spec(path), tmp_path, streaming))
    assert found == [f"make the red circle number {i % 3} blue" for i in range(len(found))] and found


NO_MASKS = pa.nulls(3)
MASKS: dict[str, pa.Array] = {
    "bytes": pa.array([encoded(white_square())] * 3),
    "a string": pa.array([base64.b64encode(encoded(white_square())).decode()] * 3),
    "a picture": cells([white_square()] * 3),
}


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("order", ["ab", "ba", "aba"])
@pytest.mark.parametrize("kind", MASKS)
def test_a_column_that_is_empty_in_one_file_agrees_with_every_type(
    kind: str, order: str, streaming: bool, tmp_path: Path
) -> None:
    """Whichever file comes first: one without a mask has a column of no type at all."""
    for number, part in enumerate(order):
        masks = NO_MASKS if part == "a" else MASKS[kind]
        write(BASE.append_column("mask", masks), tmp_path / "data" / f"{number}.parquet")
    dataset = spec(tmp_path / "data" / "*.parquet", columns=COLUMNS | {"mask": "mask"})
    for _ in range(2):  # the second time the copy that the first made is read
        rows = opened(dataset, tmp_path, streaming)
        [(_, tables)] = rows.parts(100, [0])
        assert [rows.decode(table).mask is None for table in tables] == [
            part == "a" for part in order for _ in range(3)
        ]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("names", ["ab", "ba"])
def test_pictures_without_a_path_agree_with_those_that_have_one(
    names: str, streaming: bool, tmp_path: Path
) -> None:
    for name, path in zip(names, (None, "a.png"), strict=True):
        pictures = pa.array([{"bytes": png, "path": path} for png in PNGS])
        write(changed("input_img", pictures), tmp_path / "data" / f"{name}.parquet")
    found = told(opened(spec(tmp_path / "data" / "*.parquet"), tmp_path, streaming))
    assert found == [f"make the red circle number {i % 3} blue" for i in range(6)]


def used_column_differs(directory: Path) -> Path:
    write(BASE, directory / "a.parquet")
    write(schemas(3)["crispedit"], directory / "b.parquet")
    return directory


def used_column_differs_after_an_empty_one(directory: Path) -> Path:
    write(changed("input_img", pa.nulls(3)), directory / "0.parquet")
    return used_column_differs(directory)


def a_column_is_missing_in_one(directory: Path) -> Path:
    write(BASE, directory / "a.parquet")
    write(BASE.drop(["output_img"]), directory / "b.parquet")
    return directory


def text(name: str, content: str | bytes) -> Callable[[Path], Path]:
    def make(directory: Path) -> Path:
        (directory / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return directory / name

    return make


SOURCE = r"data\.datasets\.mine\.columns\.source=input_img"
UNREADABLE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "numbers": (
        one(changed("input_img", pa.array([list(png) for png in PNGS], pa.list_(pa.uint8())))),
        SOURCE
        + r": the column's type is list<element: uint8>, which is not a picture: a struct \{bytes, path\}",
    ),
    "several pictures": (one(changed("input_img", pa.array([[{"bytes": p}] for p in PNGS]))), SOURCE),
    "another struct": (
        one(changed("input_img", pa.array([{"url": "a"}] * 3))),
        SOURCE + r": the column's type is struct<url: string>",
    ),
    "an integer": (one(changed("input_img", pa.array([1, 2, 3]))), SOURCE + r": the column's type is int64"),
    "a number for an instruction": (
        one(changed("instruction", pa.array([1, 2, 3]))),
        r"columns\.instruction=instruction: the column's type is int64, which is not a text",
    ),
    "a list for an instruction": (
        one(changed("instruction", pa.array([["a"], ["b"], []]))),
        r"columns\.instruction=instruction: the column's type is list<element: string>",
    ),
    "nested rows": (
        one(pa.table({"row": pa.array([{"input_img": png} for png in PNGS])})),
        SOURCE + ": there is no such column; there are row",
    ),
    "a used column twice": (
        one(pa.Table.from_arrays([*BASE.columns, BASE["instruction"]], [*BASE.column_names, "instruction"])),
        r"columns\.instruction=instruction: 2 columns have this name",
    ),
    "a used column that differs": (
        used_column_differs,
        SOURCE
        + r": the column's type is struct<bytes: binary, path: string> in .*b\.parquet and binary in .*a\.par",
    ),
    "a used column that differs after an empty one": (
        used_column_differs_after_an_empty_one,
        SOURCE + r": the column's type is struct<.*> in .*b\.parquet and binary in ",
    ),
    "a column that one part lacks": (
        a_column_is_missing_in_one,
        r"columns\.target=output_img of .*b\.parquet: there is no such column",
    ),
    "no rows": (one(BASE.slice(0, 0)), r"t\.parquet holds no row"),
    "no columns": (one(pa.table({})), "there is no such column; there are none"),
    "nothing": (text("t.parquet", b""), r"t\.parquet is no whole parquet file"),
    "CSV by another name": (text("t.parquet", "a,b\n1,2\n"), r"t\.parquet is no whole parquet file"),
    "CSV": (text("t.csv", "a,b\n1,2\n"), r"t\.csv is no directory here, no parquet file"),
    "a folder of CSV": (
        lambda directory: text("t.csv", "a,b\n1,2\n")(directory).parent,
        SOURCE + ": there is no such column; there are a, b",
    ),
    "JSON of other types": (
        lambda directory: text("t.jsonl", json.dumps({"instruction": [1], "input_img": 1}))(directory).parent,
        "columns",
    ),
}


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_one_line_that_says_why(name: str, streaming: bool, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    make, said = UNREADABLE[name]
    path = make(tmp_path / "data")
    with pytest.raises(UserError, match=said) as caught:
        opened(spec(path), tmp_path, streaming)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def in_two_folders(directory: Path, paths: list[str]) -> Path:
    """Tables of the same content, each with the pictures beside it; returns a pattern of both."""
    for name in ("a", "b"):
        (directory / "parts" / name).mkdir(parents=True)
        write(named(directory / "parts" / name, paths), directory / "parts" / name / "t.parquet")
    return directory / "parts" / "*" / "t.parquet"


@pytest.mark.parametrize("streaming", [False, True])
def test_relative_paths_in_tables_of_several_folders_are_refused(
    streaming: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the working directory, or the folder above, has a file of that name."""
    path = in_two_folders(tmp_path, [f"pictures/{i}.png" for i in range(3)])
    said = r"'pictures/0\.png' is a relative path, but the tables lie in 2 folders \(.*parts/a, .*parts/b\)"
    for folder in ("parts/a", "parts/b"):
        monkeypatch.chdir(tmp_path / folder)
        rows = opened(spec(path), tmp_path, streaming)
        [(_, tables)] = rows.parts(100, [0])
        for read in (rows.decode, rows.size):
            with pytest.raises(UserError, match=said) as caught:
                read(tables[0])
            assert "\n" not in str(caught.value)
    table = open_table(str(path), "train", ("instruction",), ("input_img",))
    with pytest.raises(UserError, match=said):
        table[0]


@pytest.mark.parametrize("streaming", [False, True])
def test_tables_of_several_folders_may_hold_whole_paths_and_base64(streaming: bool, tmp_path: Path) -> None:
    pictures = tmp_path / "parts" / "a" / "pictures"
    cells = [str(pictures / "0.png"), base64.b64encode(PNGS[1]).decode(), str(pictures / "2.png")]
    found = told(opened(spec(in_two_folders(tmp_path, cells)), tmp_path, streaming))
    assert found == [f"make the red circle number {i % 3} blue" for i in range(6)]


@pytest.mark.parametrize("split", ["train+test", "train + test", "all"])
def test_splits_together_start_from_their_tables_folder(tmp_path: Path, split: str) -> None:
    table = named(tmp_path, [f"pictures/{i}.png" for i in range(3)])
    for name in ("train", "test"):
        write(table, tmp_path / f"{name}.parquet")
    rows = opened(spec(tmp_path, split=split), tmp_path / "cache", False)
    assert len(rows) == 6 and {rows.decode(rows.dataset[row]).target.size for row in range(6)} == {(48, 40)}


def test_a_directory_with_other_files_beside_the_table(tmp_path: Path) -> None:
    write(BASE, tmp_path / "data" / "train.parquet")
    (tmp_path / "data" / "README.md").write_text("# mine")
    (tmp_path / "data" / "notes.csv").write_text("a,b\n1,2\n")
    picture(0).save(tmp_path / "data" / "cover.png")
    assert len(told(opened(spec(tmp_path / "data"), tmp_path, False))) == 3


@pytest.mark.parametrize("streaming", [False, True])
def test_one_of_several_configurations(tmp_path: Path, streaming: bool) -> None:
    for name in ("easy", "hard"):
        write(BASE, tmp_path / "data" / name / "train.parquet")
    configs = [{"config_name": name, "data_files": f"{name}/*.parquet"} for name in ("easy", "hard")]
    (tmp_path / "data" / "README.md").write_text(f"---\nconfigs: {json.dumps(configs)}\n---\n")
    with pytest.raises(UserError, match=r"data\.datasets\.mine\.config=null: .*name one of easy, hard\."):
        opened(spec(tmp_path / "data"), tmp_path, streaming)
    with pytest.raises(UserError, match="easi"):
        opened(spec(tmp_path / "data", config="easi"), tmp_path, streaming)
    assert len(told(opened(spec(tmp_path / "data", config="hard"), tmp_path, streaming))) == 3


def test_a_stream_that_breaks_off_is_one_line(tmp_path: Path) -> None:
    """A page in the middle is damaged: the footer, which is all that is checked before, is whole."""
    path = write(BASE, tmp_path / "t.parquet")
    content = bytearray(path.read_bytes())
    content[4:1000] = bytes(996)  # the first column's
    path.write_bytes(content)
    rows = opened(spec(path), tmp_path, True)
    for read in (lambda: list(rows), lambda: rows.texts()):
        with pytest.raises(
            UserError, match=r"data\.datasets\.mine\.path=.*t\.parquet cannot be read: "
        ) as caught:
            read()
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize("columns", [None, ["input_img", "instruction", "output_img", "type"]])
def test_a_copy_made_earlier_is_read_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: list[str] | None
) -> None:
    """Whether all columns were copied, as before there was a choice, or those that are read; checked before, too."""
    import datasets

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    options: dict[str, Any] = {} if columns is None else {"columns": columns, "batch_size": 100}
    file, cache = write(BASE, tmp_path / "t.parquet"), tmp_path / "cache" / "datasets"
    builder = datasets.load_dataset_builder(
        "parquet", data_files={"train": str(file)}, cache_dir=str(cache), **options
    )
    builder.download_and_prepare()
    made = Path(builder.cache_dir)
    name = datasets.BuilderConfig("default").create_config_id(config_kwargs=options)
    fetched = cache / "nobody___mine" / name / made.parent.name / made.name  # as a repository's copy lies
    fetched.parent.mkdir(parents=True)
    made.rename(fetched)
    for part in fetched.glob("parquet-*"):
        part.rename(fetched / part.name.replace("parquet", "mine"))
    data = data_config({"mine": spec("nobody/mine")}, tmp_path / "cache")
    check_data([(Edits.model_validate(data), "editor")])
    for streaming in (False, True):
        [rows] = open_all(Edits.model_validate(data | {"streaming": streaming}), "editor")
        assert told(rows) == [f"make the red circle number {i} blue" for i in range(3)]


def test_without_a_network_what_to_set_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    for streaming in (False, True):
        with pytest.raises(UserError, match=r"path=nobody/nothing cannot be read.*HF_HUB_OFFLINE is set"):
            opened(spec("nobody/nothing"), tmp_path, streaming)


def test_bad_cells_are_named_by_their_column(tmp_path: Path) -> None:
    table = changed("input_img", pa.array([PNGS[0], b"", PNGS[2][:70]]))
    found = told(opened(spec(write(table, tmp_path / "t.parquet")), tmp_path, False))
    assert (
        found[1]
        == "unreadable source: column input_img cannot be read as an image: these bytes are no picture."
    )
    assert found[2].startswith("unreadable source: column input_img cannot be read as an image: ")


def test_a_benchmarks_paths_stay_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    data.mkdir()
    picture(0).save(tmp_path / "outside.png")
    paths = ["pictures/1.png", "../outside.png", str(tmp_path / "outside.png")]
    write(named(data, paths), data / "t.parquet")
    monkeypatch.chdir(data)
    table = open_table("t.parquet", "train", ("instruction",), ("input_img",), ("type", "nothing"))
    assert sorted(table.column_names) == ["input_img", "instruction", "type"]
    assert (benchmark_picture(table[0]["input_img"]) == np.asarray(picture(1))).all()
    for row in (1, 2):
        with pytest.raises(UserError, match=r"column input_img '.*' leads out of"):
            table[row]
    assert table.select_columns(["instruction"])[1] == {"instruction": "make the red circle number 1 blue"}
