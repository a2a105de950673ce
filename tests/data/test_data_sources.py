"""Every published schema is read; what is wrong with a path, a file, a column or a row is told."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from edit_files import (
    COLUMNS,
    TYPES,
    cells,
    crispedit,
    dataset,
    edit_rows,
    encoded,
    picture,
    schemas,
    spec,
    white_square,
    write,
)
from omegaconf import OmegaConf
from PIL import Image

from editmgt.data.bad_rows import BadRow, BadRows, told
from editmgt.data.sources import identity
from editmgt.errors import UserError

CONF = Path(__file__).parents[2] / "conf" / "data"


def columns_of(name: str) -> dict[str, str | None]:
    return dict(OmegaConf.load(CONF / f"{name}.yaml").datasets[name].columns)


@pytest.mark.parametrize("name", sorted(schemas(1)))
def test_each_published_schema(name: str, tmp_path: Path) -> None:
    """Two files, by pattern, read by position and as a stream, under the columns of conf/data."""
    for part in range(2):
        write(schemas(2, first=2 * part)[name], tmp_path / "data" / f"train-{part:05d}-of-00002.parquet")
    dataset = spec(tmp_path / "data" / "train-*.parquet", columns=columns_of(name))
    rows = edit_rows(name, dataset, tmp_path)
    assert len(rows) == 4 and len(rows.texts()) == 4
    streamed = [
        rows_.decode(table)
        for rows_ in [edit_rows(name, dataset, tmp_path, streaming=True)]
        for _, tables in rows_.parts(2, [0, 1])
        for table in tables
    ]
    for index in range(4):
        for pair in (rows.decode(rows.dataset[index]), streamed[index]):
            assert pair.text == f"make the red circle number {index} blue"
            assert pair.source is not None
            assert (np.asarray(pair.source) == np.asarray(picture(2 * index))).all()
            assert (np.asarray(pair.target) == np.asarray(picture(2 * index + 1))).all()
            if name == "magicbrush":
                assert pair.mask is not None
                assert (np.asarray(pair.mask) == np.asarray(white_square().convert("L"))).all()
            else:
                assert pair.mask is None
            assert pair.edit_type == (TYPES[index] if name in ("crispedit", "anyedit") else "")
    if name == "instructpix2pix":
        captions = edit_rows(name, dataset, tmp_path, kind="base")
        caption = captions.decode(captions.dataset[1])
        assert caption.text == "picture 1" and caption.source is None


def test_masks_that_say_nothing_are_bad_rows(tmp_path: Path) -> None:
    table = schemas(2)["magicbrush"].drop_columns("mask_img")
    table = table.append_column("mask_img", cells([picture(0), Image.new("RGB", (48, 40))]))
    columns = columns_of("magicbrush")
    rows = edit_rows("magicbrush", spec(write(table, tmp_path / "a.parquet"), columns=columns), tmp_path)
    for index, said in enumerate(("has colours but no transparent hole", "has no transparent hole")):
        with pytest.raises(BadRow, match=f"unreadable hole: The mask {said}"):
            rows.decode(rows.dataset[index])
    with pytest.raises(UserError, match=r"columns\.mask=mask_img and columns\.hole=mask_img both say"):
        edit_rows("mine", spec(tmp_path / "a.parquet", columns=columns | {"mask": "mask_img"}), tmp_path)


def test_a_directory_as_downloaded_from_the_hub(tmp_path: Path) -> None:
    write(schemas(2)["magicbrush"], tmp_path / "hub" / "data" / "train-00000-of-00001.parquet")
    write(schemas(3)["magicbrush"], tmp_path / "hub" / "data" / "dev-00000-of-00001.parquet")
    dataset = spec(tmp_path / "hub", columns=columns_of("magicbrush"))
    assert len(edit_rows("magicbrush", dataset, tmp_path)) == 2


def make_folder(path: Path) -> Path:
    for folder in ("source", "target", "masks"):
        (path / folder).mkdir(parents=True)
    for i in range(3):
        picture(i).save(path / "source" / f"{i}.png")
        picture(i + 10).save(path / "target" / f"{i}.jpg")
    white_square().save(path / "masks" / "1.png")
    lines = [
        b'{"file": "0", "instruction": "make it red"}',
        b'{"file": "1.png", "instruction": "remove the hat", "type": "remove", "caption": "no hat"}',
        '{"file": "2", "instruction": "caf\u00e9"}'.encode(),
    ]
    (path / "instructions.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    return path


@pytest.mark.parametrize("streaming", [False, True])
def test_a_folder_of_your_own(tmp_path: Path, streaming: bool) -> None:
    dataset = spec(make_folder(tmp_path / "mine"), columns=columns_of("folder"))
    rows = edit_rows("folder", dataset, tmp_path, streaming=streaming)
    [(_, tables)] = rows.parts(10, [0])
    first, second = rows.decode(tables[0]), rows.decode(tables[1])
    assert (first.text, first.mask, first.edit_type) == ("make it red", None, "")
    assert (second.text, second.edit_type) == ("remove the hat", "remove") and second.mask is not None
    assert (np.asarray(first.source) == np.asarray(picture(0))).all()
    assert rows.decode(tables[2]).text == "caf\u00e9"


def test_bad_rows_are_told_apart(tmp_path: Path) -> None:
    good = encoded(picture(0))
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = encoded(Image.new("RGB", (48, 40)), "JPEG", exif=exif)
    sources = [
        good,
        good[:-40],
        b"no picture",
        None,
        good,
        good,
        encoded(Image.new("RGB", (101, 100))),
        lying,
    ]
    said = ["x", "x", "x", "x", b"\xff\xfe", "  ", "x", "x"]
    table = crispedit([*sources], [picture(1)] * 8, [*said])
    rows = edit_rows("crispedit", spec(write(table, tmp_path / "a.parquet")), tmp_path)
    assert rows.texts() == ["x", "x", "x", "x", None, None, "x", "x"]
    found = []
    for index in range(8):
        try:
            pair = rows.decode(rows.dataset[index])
            found.append(str(pair.source.size if pair.source else None))
        except BadRow as error:
            found.append(error.reason)
    assert found == [
        "(48, 40)",
        "unreadable source",
        "unreadable source",
        "no source",
        "text is not UTF-8",
        "no instruction",
        "too large",
        "(40, 48)",
    ]


def test_bad_rows_are_named_in_a_file_and_too_many_stop_the_run(tmp_path: Path) -> None:
    bad = BadRows(tmp_path / "bad_rows.csv", 0.05)
    for row in range(200):
        bad.good("a", row)
    for row in range(200, 210):
        for _ in range(2):  # the next epoch meets it again
            bad.bad("a", row, BadRow("unreadable source", 'truncated, "half"'))
    with pytest.raises(
        UserError, match=r"11 of 211 rows are bad \(10 unreadable source, 1 no target\).*bad_rows.csv"
    ):
        bad.bad("a", 210, BadRow("no target"))
    lines = (tmp_path / "bad_rows.csv").read_text().splitlines()
    assert lines[0] == 'a,200,unreadable source,"truncated, ""half"""' and len(lines) == 11
    assert told(bad.named()) == "10 unreadable source, 1 no target"


@pytest.mark.parametrize("streaming", [False, True])
def test_mistakes_are_one_line(tmp_path: Path, streaming: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = write(schemas(3)["crispedit"], tmp_path / "whole" / "train.parquet")
    half = tmp_path / "half" / "train.parquet"
    half.parent.mkdir()
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    for path, columns, message in (
        (half, {}, r"half/train.parquet is no whole parquet file"),
        (half.parent, {}, r"half/train.parquet is no whole parquet file"),
        (tmp_path / "none-*.parquet", {}, r"data.datasets.mine.path=.*none-\*.parquet cannot be read"),
        (tmp_path / "empty", {}, r"data.datasets.mine.path=.*empty cannot be read"),
        (tmp_path / "nowhere", {}, r"nowhere is no directory here"),
        ("nobody/nothing", {}, r"data.datasets.mine.path=nobody/nothing cannot be read"),
        (whole, {"target": "output"}, r"columns.target=output: there is no such column; .*'output_img'\?"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            edit_rows("mine", spec(path, columns=COLUMNS | columns), tmp_path, streaming=streaming)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_path_of_the_form_of_a_hub_id_is_a_path(
    tmp_path: Path, streaming: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file or directory that is there, and what ends as a parquet file does, is not looked for on the hub."""
    write(schemas(3)["crispedit"], tmp_path / "tab" / "bytes.parquet")
    (tmp_path / "tab" / "t.csv").write_text("a,b\n1,2\n")
    write(schemas(2)["crispedit"], tmp_path / "tab" / "spark.parquet" / "part-0.parquet")
    monkeypatch.chdir(tmp_path)
    for path, count in (("tab/bytes.parquet", 3), ("tab/b*.parquet", 3), ("tab/spark.parquet", 2)):
        [(_, tables)] = edit_rows("mine", spec(path), tmp_path, streaming=streaming).parts(10, [0])
        assert len(tables) == count
    for path, message in (
        ("tab/t.csv", r"path=tab/t\.csv is no directory here, no parquet file"),
        ("tab/none.parquet", r"path=tab/none\.parquet cannot be read: Unable to find"),
    ):
        with pytest.raises(UserError, match=message):
            edit_rows("mine", spec(path), tmp_path, streaming=streaming)


def test_identity_follows_the_files_not_their_place(tmp_path: Path) -> None:
    table = schemas(3)["crispedit"]
    first = identity(dataset(write(table, tmp_path / "a" / "train.parquet").parent))
    write(table, tmp_path / "b" / "train.parquet")
    assert identity(dataset(tmp_path / "b")) == first
    write(schemas(4)["crispedit"], tmp_path / "b" / "train.parquet")
    assert identity(dataset(tmp_path / "b")) != first
    assert identity(dataset("a/b")) != identity(dataset("a/c"))
    assert identity(dataset("a/b")) == identity(dataset("a/b", columns=COLUMNS | {"hole": None}))


def test_identity_sees_what_is_changed_within_files_of_one_size(tmp_path: Path) -> None:
    mask = Image.new("L", (256, 256))
    pictures = tmp_path / "own" / "masks"
    pictures.mkdir(parents=True)
    for name in ("0.bmp", "0.tiff"):
        mask.save(pictures / name)
    index = [
        json.dumps({"file_name": f"{i}.png", "text": "make it red", "more": "x" * 99}) for i in range(300)
    ]
    (pictures / "metadata.jsonl").write_text("\n".join(index))
    seen = {identity(dataset(tmp_path / "own"))}
    mask.paste(255, (9, 9, 99, 99))
    for name in ("0.bmp", "0.tiff"):
        mask.save(pictures / name)
        seen.add(identity(dataset(tmp_path / "own")))
    (pictures / "metadata.jsonl").write_text("\n".join([index[0].replace("red", "big"), *index[1:]]))
    seen.add(identity(dataset(tmp_path / "own")))
    assert len(seen) == 4


def test_identity_sees_the_pictures_that_a_table_names(tmp_path: Path) -> None:
    names = [f"../elsewhere/{i}.png" for i in range(4)]
    (tmp_path / "elsewhere").mkdir()
    for i, name in enumerate(names):
        picture(i).save(tmp_path / "elsewhere" / Path(name).name)
    said = {"instruction": ["a", "b"], "type": ["add", "add"]}
    table = write(
        pa.table({"input_img": names[:2], "output_img": names[2:]} | said), tmp_path / "t" / "t.parquet"
    )
    paths = [table.parent, table.parent / "*.parquet", f"file://{table}"]
    before = [identity(dataset(path)) for path in paths]
    picture(99, (90, 20)).save(tmp_path / "elsewhere" / "2.png")
    assert all(identity(dataset(path)) != was for path, was in zip(paths, before, strict=True))


def test_identity_passes_over_hidden_folders(tmp_path: Path) -> None:
    write(schemas(3)["crispedit"], tmp_path / "train.parquet")
    before = identity(dataset(tmp_path))
    for note in (".git/index", ".cache/huggingface/download/train.parquet.metadata"):
        (tmp_path / note).parent.mkdir(parents=True)
        (tmp_path / note).write_text("now")
    assert identity(dataset(tmp_path)) == before


@pytest.mark.parametrize("streaming", [False, True])
def test_parquet_on_any_file_system(tmp_path: Path, streaming: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """fsspec's own in-memory one stands for object stores, which ``datasets`` does not touch when told to be offline."""
    import datasets
    import fsspec

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    file = write(schemas(3)["crispedit"], tmp_path / "train.parquet")
    place = f"/{tmp_path.name}"
    fsspec.filesystem("memory").pipe(f"{place}/train-1.parquet", file.read_bytes())
    table = schemas(3)["crispedit"]
    empty = table.set_column(table.column_names.index("type"), "type", pa.nulls(3))  # no type as yet
    fsspec.filesystem("memory").pipe(f"{place}/train-0.parquet", write(empty, file).read_bytes())
    rows = edit_rows("crispedit", spec(f"memory:/{place}/*.parquet"), tmp_path, streaming=streaming)
    [(_, tables)] = rows.parts(10, [0])
    assert [rows.decode(table).text for table in tables] == rows.texts()
    assert [rows.decode(table).edit_type for table in tables] == [""] * 3 + TYPES[:3]


def test_a_misspelt_folder_is_answered_with_the_one_beside_it(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(UserError, match=r"no repository on the hub\. Did you mean 'train'\?$"):
        edit_rows("pairs", spec(tmp_path / "trian"), tmp_path)
