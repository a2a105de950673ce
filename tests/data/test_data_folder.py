"""A folder of your own is read once, the same way, by training and benchmark."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edit_files import edit_rows, encoded, picture, spec, white_square
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from editmgt.benchmarks import EditSample, build
from editmgt.benchmarks.lookup import picture_path
from editmgt.config.benchmark import Benchmark
from editmgt.data.bad_rows import BadRow
from editmgt.data.folder import INDEX, read_folder
from editmgt.data.rows import EditRows
from editmgt.data.transform import Transform
from editmgt.errors import UserError
from editmgt.paths import is_file_name, within

COLUMNS = {"source": "source", "target": "target", "instruction": "instruction", "caption": "caption",
           "mask": "mask", "edit_type": "type"}  # fmt: skip


def make(root: Path, names: dict[str, int], lines: list[Any] | bytes, masks: tuple[str, ...] = ()) -> Path:
    """Pictures by name, each of a number that tells them apart, and the lines."""
    for folder in ("source", "target", "masks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name, number in names.items():
        (root / "source" / name).write_bytes(encoded(picture(number)))
        (root / "target" / name).write_bytes(encoded(picture(number + 100)))
    for name in masks:
        white_square().save(root / "masks" / name)
    content = (
        lines if isinstance(lines, bytes) else b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    )
    (root / INDEX).write_bytes(content)
    return root


def said(file: Any, instruction: str = "make it red", **rest: Any) -> dict[str, Any]:
    return {"file": file, "instruction": instruction, **rest}


def trained_on(path: Path, cache: Path) -> EditRows:
    return edit_rows("mine", spec(path, columns=COLUMNS), cache)


def judged_by(path: Path) -> list[EditSample]:
    rows = build(
        Benchmark.of({"name": "folder", "path": str(path), "size": None, "batch_size": 4, "seed": 0})
    )
    return [rows[i] for i in range(len(rows))]


def both(path: Path, cache: Path) -> list[EditSample]:
    """The rows, known to be the same in training and benchmark."""
    samples, rows = judged_by(path), trained_on(path, cache)
    assert len(rows) == len(samples)
    for index, sample in enumerate(samples):
        pair = rows.decode(rows.dataset[index])
        assert (pair.text, pair.edit_type) == (sample.instruction, sample.edit_type)
        assert np.array_equal(np.asarray(pair.source), sample.source)
        assert np.array_equal(np.asarray(pair.target), sample.target)
        assert (pair.mask is None) == (sample.edit_mask is None)
        if pair.mask is not None:
            assert np.array_equal(np.asarray(pair.mask) > 0, sample.edit_mask)
    assert len({sample.sample_id for sample in samples}) == len(samples)
    for sample in samples:
        assert picture_path("folder", sample).parent == Path("images")
    return samples


def told(path: Path, cache: Path) -> str:
    """What is wrong, known to be the same in training and benchmark but for the key."""
    mistakes = []
    for read in (lambda: trained_on(path, cache), lambda: judged_by(path)):
        with pytest.raises(UserError) as caught:
            read()
        mistakes.append(str(caught.value))
    training, benchmark = mistakes
    assert training.replace("data.datasets.mine.path", "benchmark.path") == benchmark and "\n" not in training
    return benchmark


def is_picture(number: int, sample: EditSample) -> bool:
    return np.array_equal(sample.source, np.asarray(picture(number)))


@pytest.mark.parametrize("file", ["shot.v2", "shot.v2.png", "shot.v2.jpg"])
def test_dots_in_a_name(file: str, tmp_path: Path) -> None:
    path = make(tmp_path / "mine", {"shot.v2.png": 1, "shot.v1.png": 2}, [said(file), said("shot.v1")])
    first, second = both(path, tmp_path)
    assert is_picture(1, first) and is_picture(2, second)
    assert (first.sample_id, second.sample_id) == ("shot.v2", "shot.v1")


def test_a_name_that_is_not_there_is_not_cut_to_one_that_is(tmp_path: Path) -> None:
    path = make(tmp_path / "mine", {"shot.png": 1}, [said("shot.v2")])
    assert "source/shot.v2 is missing; target/shot.v2 is missing; source/shot.png has no" in told(
        path, tmp_path
    )


def test_a_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    lines = b"\xef\xbb\xbf" + b"\r\n".join(json.dumps(said(name)).encode() for name in "ab") + b"\r\n\r\n"
    assert len(both(make(tmp_path / "mine", {"a.png": 1, "b.png": 2}, lines), tmp_path)) == 2


def test_a_number_is_a_name(tmp_path: Path) -> None:
    [first, second] = both(
        make(tmp_path / "mine", {"7.png": 1, "08.png": 2}, [said(7), said("08")]), tmp_path
    )
    assert is_picture(1, first) and is_picture(2, second)


def test_several_instructions_for_a_picture(tmp_path: Path) -> None:
    lines = [said("a", "one", type="add"), said("a.png", "two"), said("a-2", "other"), said("a", "one")]
    samples = both(make(tmp_path / "mine", {"a.png": 1, "a-2.png": 2}, lines, ("a.png",)), tmp_path)
    assert [sample.sample_id for sample in samples] == ["a", "a-3", "a-2", "a-4"]
    assert [sample.source_id for sample in samples] == ["a", "a", "a-2", "a"]
    assert [sample.edit_mask is None for sample in samples] == [False, False, True, False]


@pytest.mark.parametrize(
    "separator", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x1e", "\r", "\n"]
)
def test_line_separators_inside_an_instruction(separator: str, tmp_path: Path) -> None:
    text = f"make it{separator}red"
    raw = json.dumps(said("a", text), ensure_ascii=False).encode() + b"\n" + json.dumps(said("b")).encode()
    first, second = both(make(tmp_path / "mine", {"a.png": 1, "b.png": 2}, raw), tmp_path)
    assert (first.instruction, second.instruction) == (text, "make it red")


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=4))
def test_any_text_comes_back(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("folder")
    texts = [f"x{text}" for text in texts]
    for ascii_ in (True, False):
        raw = b"\n".join(json.dumps(said("a", text), ensure_ascii=ascii_).encode() for text in texts)
        rows = read_folder(make(path, {"a.png": 1}, raw), "key", ("source", "instruction"))
        assert [row.instruction for row in rows] == texts


def test_two_pictures_of_one_name_are_told(tmp_path: Path) -> None:
    path = make(tmp_path / "mine", {"a.png": 1}, [said("a")])
    (path / "source" / "a.jpg").write_bytes(encoded(picture(5), "JPEG"))
    assert "1 files do not match: source/a.jpg and source/a.png have one name." in told(path, tmp_path)


def test_what_does_not_belong_together_is_told(tmp_path: Path) -> None:
    path = make(tmp_path / "mine", {f"{i}.png": i for i in range(14)}, [said("nobody")], ("x.png",))
    message = told(path, tmp_path)
    assert message.startswith(f"benchmark.path={path}: 31 files do not match: source/nobody is missing; ")
    assert "source/0.png has no instruction" in message and message.endswith(" and 21 more.")


def test_a_target_of_another_size(tmp_path: Path) -> None:
    """Of the same shape it is compared; of another the row fails, for the same reason in both."""
    path = make(tmp_path / "mine", {"a.png": 1, "b.png": 2}, [said("a"), said("b")], ("a.png", "b.png"))
    picture(3, (96, 80)).save(path / "target" / "a.png")
    picture(3, (96, 48)).save(path / "target" / "b.png")
    rows = build(
        Benchmark.of({"name": "folder", "path": str(path), "size": None, "batch_size": 4, "seed": 0})
    )
    sample = rows[0]
    assert sample.target is not None and sample.target.shape == (80, 96, 3)
    assert sample.edit_mask is not None and sample.edit_mask.mean() == 16 * 16 / (48 * 40)
    transform = Transform(((32, 32),), 1, False, 8, 0.1)
    trained = trained_on(path, tmp_path)
    view = transform(trained.decode(trained.dataset[0]), 0)
    assert view.edit_mask.any() and not view.edit_mask.all()
    with pytest.raises(BadRow, match="aspect ratios differ: 48x40 and 96x48"):
        transform.check(trained.decode(trained.dataset[1]))
    with pytest.raises(ValueError, match="aspect ratios differ: 48x40 and 96x48"):
        rows[1]


@pytest.mark.parametrize(
    ("line", "said_of_it"),
    [
        (b"nonsense", "line 2: not JSON (Expecting value"),
        (b"[" * 5000, "line 2: not JSON ("),
        (b"[1]", "line 2: not an object such as"),
        (b'{"file": "a", "instuction": "x"}', "unknown key 'instuction'.* Did you mean 'instruction'?"),
        (b'{"file": "a", "instruction": "caf\xe9"}', "line 2: byte 34 is not UTF-8."),
        (b'{"instruction": "x"}', 'line 2: it needs "file"'),
        (b'{"file": true, "instruction": "x"}', 'line 2: it needs "file"'),
        (b'{"file": 1.5, "instruction": "x"}', 'line 2: it needs "file"'),
        (b'{"file": "a", "instruction": " "}', 'line 2: it needs "instruction"'),
        (b'{"file": "a"}', 'line 2: it needs "instruction"'),
        (b'{"file": "a", "instruction": 5}', 'line 2: "instruction" must be a text, not 5'),
        (b'{"file": "a", "instruction": "x", "type": ["y"]}', '"type" must be a text, not ["y"]'),
        (b'{"file": "a", "instruction": "\\ud83d"}', 'line 2: "instruction" is not valid Unicode'),
        (b'{"file": "../../secret", "instruction": "x"}', "must be the name of a picture, not '../../secret'"),
        (b'{"file": "/etc/secret.png", "instruction": "x"}', "not '/etc/secret.png'"),
        (b'{"file": "source/a", "instruction": "x"}', "not 'source/a'"),
        (b'{"file": "..", "instruction": "x"}', "not '..'"),
        (b'{"file": "' + b"n" * 300 + b'", "instruction": "x"}', "must be the name of a picture, not 'nnn"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_read_is_named(line: bytes, said_of_it: str, tmp_path: Path) -> None:
    path = make(tmp_path / "mine", {"a.png": 1}, json.dumps(said("a")).encode() + b"\n" + line)
    message = told(path, tmp_path)
    assert message.startswith(f"{path / INDEX}, line 2: ")
    for part in said_of_it.split(".*"):
        assert part in message


def test_many_wrong_lines_are_counted(tmp_path: Path) -> None:
    message = told(make(tmp_path / "mine", {"a.png": 1}, b"x\n\n" * 12), tmp_path)
    assert f"{INDEX} has 12 wrong lines: line 1: not JSON" in message and "; line 19: " in message
    assert message.endswith(" and 2 more.")
    assert told(make(tmp_path / "mine", {"a.png": 1}, b"\n"), tmp_path).endswith(f"{INDEX} holds no line.")


def out_by_picture(path: Path, outside: Path) -> str:
    (path / "source" / "a.png").unlink()
    (path / "source" / "a.png").symlink_to(outside / "a.png")
    return "the picture 'source/a.png' leads out of"


def out_by_folder(path: Path, outside: Path) -> str:
    (path / "target" / "a.png").unlink()
    (path / "target").rmdir()
    (path / "target").symlink_to(outside)
    return "the folder 'target' leads out of"


@pytest.mark.parametrize("lead", [out_by_picture, out_by_folder])
def test_links_that_lead_out_are_refused(lead: Callable[[Path, Path], str], tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    picture(9).save(outside / "a.png")
    path = make(tmp_path / "mine", {"a.png": 1}, [said("a")])
    message = lead(path, outside)
    assert message in told(path, tmp_path)


def test_links_within_and_to_a_folder_are_followed(tmp_path: Path) -> None:
    path = make(tmp_path / "mine", {"a.png": 1}, [said("a"), said("b")])
    for folder in ("source", "target"):
        (path / folder / "b.png").symlink_to(path / folder / "a.png")
    (tmp_path / "link").symlink_to(path)
    assert len(both(tmp_path / "link", tmp_path)) == 2


def test_what_a_benchmark_or_a_training_cannot_do_without(tmp_path: Path) -> None:
    path = make(tmp_path / "mine", {"a.png": 1}, [said("a")])
    (path / "target" / "a.png").unlink()
    [sample] = judged_by(path)
    assert sample.target is None
    with pytest.raises(UserError, match="1 files do not match: target/a is missing"):
        trained_on(path, tmp_path)
    (path / "target").rmdir()
    with pytest.raises(
        UserError, match=r"data\.datasets\.mine\.path=.* needs a folder target/ and a file instr"
    ):
        trained_on(path, tmp_path)
    with pytest.raises(
        UserError, match=r"benchmark\.path=.* needs a folder source/ and a file instructions\.jsonl"
    ):
        judged_by(tmp_path)


def test_captions_alone_train_a_base(tmp_path: Path) -> None:
    path = make(
        tmp_path / "mine", {"a.png": 1, "b.png": 2}, [{"file": name, "caption": f"a {name}"} for name in "ab"]
    )
    rows = edit_rows("mine", spec(path, columns=COLUMNS), tmp_path, kind="base")
    assert (
        rows.texts() == ["a a", "a b"]
        and rows.decode(rows.dataset[1]).target.size == Image.open(path / "target/b.png").size
    )
    with pytest.raises(UserError, match='line 1: it needs "instruction", what to change; line 2'):
        judged_by(path)


@given(name=st.text(max_size=30))
def test_a_name_stays_in_its_directory(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("root")
    if is_file_name(name):
        assert within(root, name, "it").parent == root
        return
    try:
        path = within(root, name, "it")
    except UserError as error:
        assert "leads out of" in str(error)
    else:
        assert path.resolve().is_relative_to(root.resolve())
