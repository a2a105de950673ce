"""Miniatures of the published data sets through the loading code and the editor."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from released_layouts import (
    anybench,
    cell,
    dlebench,
    emu_edit,
    folder,
    gedit,
    gedit_v2,
    gide,
    imgedit,
    magicbrush,
    parquet,
    pie_bench,
    png,
)

from editmgt.benchmarks import EditSample, build, rows_digest
from editmgt.benchmarks.lookup import instructions, picture_path
from editmgt.benchmarks.pictures import run_length_mask
from editmgt.benchmarks.protocols import protocol
from editmgt.config.benchmark import Benchmark
from editmgt.editing import Editor
from editmgt.evaluation.evaluate import controls, evaluate

pytestmark = pytest.mark.filterwarnings("ignore::editmgt.editing.InstructionCut")


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


def samples(config: dict[str, Any]) -> list[EditSample]:
    rows = build(Benchmark.of(config))
    return [rows[i] for i in range(len(rows))]


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

    def counted(record: Any, index: int) -> EditSample:
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
    session = rows[0]
    assert session.before == ("turn 1 of 242679",) and session.instruction == "turn 2 of 242679"
    assert session.request == "turn 1 of 242679 Then: turn 2 of 242679"  # what a judge is told
    assert session.source.shape == (32, 32, 3) and session.edit_mask is None
    assert session.target is not None and session.target.shape == (24, 40, 3)
    turns = build(Benchmark.of(magicbrush(tmp_path)))
    second = turns[1]
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


def test_the_digest_tells_a_target_from_a_mask(tmp_path: Path) -> None:
    own = Path(folder(tmp_path / "own")["path"])
    shutil.rmtree(own / "masks")
    before = protocol("folder").rows(str(own)).digest
    (own / "target").rename(own / "masks")
    assert protocol("folder").rows(str(own)).digest != before


def test_the_digest_sees_the_pictures_that_a_table_names(tmp_path: Path) -> None:
    names = [f"images/{i}.png" for i in range(4)]
    (tmp_path / "images").mkdir()
    for i, name in enumerate(names):
        (tmp_path / name).write_bytes(png(32, 24, i))
    rows = [
        {"image_file": names[i], "edited_file": names[2 + i], "edit_instruction": "a", "edit_type": "x"}
        for i in range(2)
    ]
    text = datasets.Value("string")
    parquet(tmp_path / "t.parquet", rows, dict.fromkeys(rows[0], text))

    def digest() -> str:
        found: str = protocol("anybench").rows(str(tmp_path / "t.parquet"), "train").digest
        return found

    before = digest()
    assert digest() == before
    (tmp_path / "images" / "2.png").write_bytes(png(32, 24, 9))
    assert digest() != before


def test_the_digest_of_sessions_out_of_a_table_has_their_earlier_turns(tmp_path: Path) -> None:
    def digest(seed: int, said: str) -> str:
        config = magicbrush(tmp_path / f"{seed}-{said}", source_img=cell(32, 32, seed), instruction=said)
        found: str = protocol("magicbrush_final").rows(config["path"], "dev", "final").digest
        return found

    assert len({digest(0, "add a dog"), digest(0, "remove it"), digest(5, "add a dog")}) == 3


def test_a_mask_of_a_picture_that_was_not_turned_upright_is_told(tmp_path: Path) -> None:
    config = folder(tmp_path / "own")
    Image.new("L", (24, 32), 255).save(tmp_path / "own" / "masks" / "b.png")
    with pytest.raises(ValueError, match="the mask has another shape than its picture: 32x24 and 24x32"):
        build(Benchmark.of(config))[1]


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
