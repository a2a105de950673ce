import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from editmgt.config.presets import presets
from editmgt.editing import Editor, edit_command, edit_file, output

ROOT = Path(__file__).parents[2]


def test_edits_a_picture(tiny_bundle: Path, photo: Path) -> None:
    """As a user does, in a process of its own, from another directory."""
    long = "make the red circle blue and remove the large star and add a small green square"
    options = ["--checkpoint", tiny_bundle, "--steps", "2", "--device", "cpu", "--explain"]
    line = [sys.executable, ROOT / "edit.py", photo.name, long, "--output", "new/out.jpg", *options]
    done = subprocess.run(line, cwd=photo.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Wrote new/out.jpg and new/out_explain.png (")
    warning, *rest = done.stderr.splitlines()
    assert "this was cut: '" in warning and rest == []
    with Image.open(photo.parent / "new" / "out.jpg") as image:
        assert image.format == "JPEG" and image.size == (50, 40)
    with Image.open(photo.parent / "new" / "out_explain.png") as image:
        assert image.format == "PNG" and image.width > 900
    assert sorted(path.name for path in (photo.parent / "new").iterdir()) == ["out.jpg", "out_explain.png"]


def test_options_reach_the_editor(tiny_bundle: Path, photo: Path) -> None:
    def run(name: str, *options: str) -> bytes:
        output = photo.with_name(name)
        line = [str(photo), "make it blue", "--output", str(output), "--checkpoint", str(tiny_bundle)]
        assert edit_command.main([*line, "--device", "cpu", *options]) == 0
        return output.read_bytes()

    plain = run("plain.png")
    assert run("again.png") == plain
    assert run("seed.png", "--seed", "1") != plain
    held = run("held.png", "--hold-threshold", "1")
    assert held != plain and run("free.png", "--no-region-hold") != held
    assert run("raw.png", "--no-consolidation", "--hold-threshold", "0.5") != plain
    assert run("negative.png", "--negative-prompt", "large star", "--guidance-scale", "4") != run(
        "unled.png", "--guidance-scale", "4"
    )
    run("asked.png", "--query", "blue", "--explain")
    run("unasked.png", "--explain")
    for source in ("posterior", "guidance"):
        held = ["--map-source", source, "--hold-rule", "quantile", "--hold-when", "first_pass"]
        assert run(f"{source}.png", *held, "--hold-quantile", "0.5", "--explain") != plain
        with Image.open(photo.with_name(f"{source}_explain.png")) as image:
            assert image.width > 4 * 256
    asked, unasked = (photo.with_name(f"{name}_explain.png").read_bytes() for name in ("asked", "unasked"))
    assert asked != unasked  # another map
    painted = Image.new("RGBA", (50, 40))
    painted.paste("red", (0, 0, 20, 20))
    painted.save(photo.with_name("mask.png"))
    mask = str(photo.with_name("mask.png"))
    masked = [run(f"{i}.png", "--mask", mask, "--no-region-hold", "--composite", *options)
              for i, options in enumerate(([], ["--feather"]))]  # fmt: skip
    assert masked[0] != masked[1]  # the seam is inside the strokes, and a feathered mask's is its own
    source = np.asarray(Image.open(photo))
    for i in range(2):
        changed = (np.asarray(Image.open(photo.with_name(f"{i}.png"))) != source).any(axis=2)
        assert changed[:20, :20].any() and not changed[20:].any() and not changed[:, 20:].any()
    picture, preset = Image.open(photo), presets("speed")["fast"]
    fast = Editor.from_pretrained(tiny_bundle).edit(picture, "make it blue", sample_ids=["edit"], **preset)
    run("fast.png", "--speed", "fast")
    assert Image.open(photo.with_name("fast.png")).tobytes() == fast.images[0].tobytes()
    free = run("fast_free.png", "--speed", "fast", "--no-region-hold", "--steps", "3")
    assert free != run("quality_free.png", "--speed", "quality", "--no-region-hold", "--steps", "3")
    assert run("loud.png", "--reference-strength", "3", "--guidance-scale", "4") != plain


def test_several_instructions_and_the_users_own_pixels(
    tiny_bundle: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [str(photo), "make it blue", "remove the star", "--output", str(photo.with_name("out.png"))]
    line += ["--checkpoint", str(tiny_bundle), "--device", "cpu", "--composite", "--explain"]
    assert edit_command.main(line) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    for i, sentence in enumerate(said, start=1):
        assert sentence.startswith(f"Wrote {photo.with_name(f'out_{i}.png')} and ")
        assert sentence.endswith("; largest change outside the edited region: 0).")
        assert photo.with_name(f"out_{i}_explain.png").is_file()


def test_a_photograph_and_strange_shapes(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for size, worked in (((4000, 3000), "40x24"), ((1, 1), "32x32"), ((20_000, 10), "1432x8")):
        Image.linear_gradient("L").convert("RGB").resize(size).save(tmp_path / "photo.jpg")
        line = [str(tmp_path / "photo.jpg"), "make it blue", "--output", str(tmp_path / "out.png")]
        assert (
            edit_command.main([*line, "--checkpoint", str(tiny_bundle), "--device", "cpu", "--steps", "1"])
            == 0
        )
        with Image.open(tmp_path / "out.png") as image:
            assert image.size == size
        said = capsys.readouterr()
        assert f"({size[0]}x{size[1]} pixels, edited at {worked};" in said.out
        assert (f"{size[0]}x{size[1]} pixels and is edited at {worked}" in said.err) == (size != (1, 1))


def test_a_directory_of_mixed_files(
    tiny_bundle: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bad file is a failed row; what can be edited is."""
    folder = photo.parent / "in"
    folder.mkdir()
    with Image.open(photo) as image:
        image.save(folder / "a.jpg")
        image.convert("1").save(folder / "a.xbm")  # can be read, but not written in colour
        image.resize((20, 60)).save(folder / "b.png")
    Image.new("RGB", (17_000, 20)).save(folder / "wide.png")
    (folder / "wide.png").rename(folder / "wide.webp")  # read as what it is, too large to be written as WebP
    (folder / "half.png").write_bytes(photo.read_bytes()[:-60])
    (folder / "text.jpg").write_text("not a picture")
    (folder / "notes.txt").write_text("not a picture either")
    (folder / "report.pdf").write_text("%PDF-1.4: Pillow writes such files alone")
    (folder / "clip.mpg").write_bytes(b"\0\0\1\xba, which Pillow names and cannot read")
    with Image.open(photo) as image:
        image.resize((16, 16)).save(folder / "c.ico")
        image.resize((16, 12)).save(folder / "d.png")
        (folder / "d.png").rename(folder / "d.ico")  # as an icon it would be 16x16
    line = [str(folder), "make it blue", "--output", str(photo.parent / "new" / "out")]
    line += ["--checkpoint", str(tiny_bundle), "--device", "cpu", "--steps", "1"]
    assert edit_command.main(line) == 1
    captured = capsys.readouterr()
    assert (
        captured.out.startswith("Edited 3 pictures of ") and "5 failed, 3 other files skipped" in captured.out
    )
    note, *errors = captured.err.splitlines()
    assert (
        note.startswith("Note: 1 of 7 pictures are reduced: the first has 17000x20 pixels")
        and len(errors) == 5
    )
    out = photo.parent / "new" / "out"
    assert sorted(path.name for path in out.iterdir()) == ["a.jpg", "b.png", "c.ico", "edits.csv"]
    rows = [row.split(",")[:2] for row in (out / "edits.csv").read_text().splitlines()]
    assert rows == [
        ["file", "status"],
        ["a.jpg", "ok"],
        ["a.xbm", "failed"],
        ["b.png", "ok"],
        ["c.ico", "ok"],
        ["clip.mpg", "skipped"],
        ["d.ico", "failed"],
        ["half.png", "failed"],
        ["notes.txt", "skipped"],
        ["report.pdf", "skipped"],
        ["text.jpg", "failed"],
        ["wide.webp", "failed"],
    ]
    with Image.open(out / "b.png") as image:
        assert image.size == (20, 60)
    for name in ("a.xbm", "d.ico", "half.png", "text.jpg", "wide.webp"):
        (folder / name).unlink()
    assert edit_command.main(line) == 0
    assert edit_command.main([*line, "--text-encoder", "drop"]) == 0  # one instruction is read once


def test_a_directory_with_a_mask_for_each_picture(tiny_bundle: Path, photo: Path) -> None:
    folder, masks, out = (photo.parent / name for name in ("in", "masks", "out"))
    folder.mkdir()
    masks.mkdir()
    with Image.open(photo) as image:
        image.save(folder / "a.v1.png")
        image.save(folder / "b.bmp")
        image.save(folder / "c.png")
    for name, corner in (("a.v1.png", (0, 0)), ("b.png", (30, 20))):
        mask = Image.new("L", image.size)
        mask.paste(255, (*corner, corner[0] + 16, corner[1] + 16))
        mask.save(masks / name)
    Image.new("L", image.size).save(masks / "c.png")
    line = [str(folder), "make it blue", "--output", str(out), "--mask", str(masks), "--composite"]
    line += ["--no-region-hold", "--checkpoint", str(tiny_bundle), "--device", "cpu", "--steps", "2"]
    assert edit_command.main(line) == 1
    with Image.open(photo) as image:
        source = np.asarray(image)
    for name, corner in (("a.v1.png", (0, 0)), ("b.bmp", (30, 20))):
        with Image.open(out / name) as image:
            changed = (np.asarray(image) != source).any(axis=2)
        left, top = corner
        inside = changed[top : top + 16, left : left + 16].sum()
        assert inside and changed.sum() == inside
    last = (out / "edits.csv").read_text().splitlines()[-1]
    assert last.startswith("c.png,failed,The mask has no white")


def test_a_box_is_the_mask_that_it_names(
    tiny_bundle: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of one picture, and of each picture of a directory in its own size."""
    folder, out = (photo.parent / name for name in ("in", "out"))
    folder.mkdir()
    with Image.open(photo) as image:
        image.save(folder / "a.png")
        image.resize((100, 80)).save(folder / "b.png")
    painted = Image.new("L", (50, 40))
    painted.paste(255, (0, 10, 25, 30))
    painted.save(photo.with_name("mask.png"))
    options = [
        "--composite",
        "--no-region-hold",
        "--checkpoint",
        str(tiny_bundle),
        "--device",
        "cpu",
        "--steps",
        "2",
    ]
    box = ["--box", "0,25,50,75"]
    line = [str(photo), "make it blue", "--output"]
    assert edit_command.main([*line, f"{out}_box.png", *box, *options, "--explain"]) == 0
    told = re.search(r"(\d+)% of the tokens held, (\d+)% by the mask", capsys.readouterr().out)
    assert (
        told and told[1] == told[2] and 50 < int(told[1]) < 90
    )  # no rule holds; a code at the rim may change
    with Image.open(f"{out}_box_explain.png") as explained:
        pixels = np.asarray(explained.convert("RGB")).astype(int)
    held = pixels[60:, -pixels.shape[1] // 4 :]
    assert (held[..., 1] - held[..., 0] > 20).mean() > 0.3  # what the mask keeps is tinted
    assert (
        edit_command.main([*line, f"{out}_mask.png", "--mask", str(photo.with_name("mask.png")), *options])
        == 0
    )
    assert Path(f"{out}_box.png").read_bytes() == Path(f"{out}_mask.png").read_bytes()
    assert edit_command.main([str(folder), "make it blue", "--output", str(out), *box, *options]) == 0
    for name, (left, top, right, bottom) in (("a.png", (0, 10, 25, 30)), ("b.png", (0, 20, 50, 60))):
        before, after = (np.asarray(Image.open(of / name)) for of in (folder, out))
        changed = (before != after).any(axis=2)
        assert changed.any() and changed.sum() == changed[top:bottom, left:right].sum()


def test_overwriting_is_asked_for(tiny_bundle: Path, photo: Path) -> None:
    """The picture itself, or each of a directory in place; an earlier result is replaced without a word."""
    options = ["--checkpoint", str(tiny_bundle), "--device", "cpu", "--steps", "1"]
    out, before = photo.with_name("out.png"), photo.read_bytes()
    for seed in ("0", "1"):
        assert (
            edit_command.main([str(photo), "make it blue", "--output", str(out), "--seed", seed, *options])
            == 0
        )
    result = out.read_bytes()
    line = [str(photo), "make it blue", "--output", str(photo), "--seed", "1", *options]
    assert edit_command.main(line) == 2 and photo.read_bytes() == before
    assert edit_command.main([*line, "--overwrite"]) == 0 and photo.read_bytes() == result
    folder = photo.parent / "in"
    folder.mkdir()
    (folder / "a.png").write_bytes(before)
    line = [str(folder), "make it blue", "--output", str(folder), "--seed", "1", *options]
    assert edit_command.main(line) == 2 and (folder / "a.png").read_bytes() == before
    assert edit_command.main([*line, "--overwrite"]) == 0 and (folder / "a.png").read_bytes() == result


def test_a_directory_that_links_to_its_pictures(
    tiny_bundle: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = photo.parent / "in", photo.parent / "out"
    source.mkdir()
    out.mkdir()
    (source / "a.png").write_bytes(photo.read_bytes())
    (out / "a.png").symlink_to(source / "a.png")
    line = [str(source), "make it blue", "--output", str(out), "--device", "cpu", "--steps", "1"]
    assert edit_command.main([*line, "--checkpoint", str(tiny_bundle)]) == 1
    assert "is the same file as" in capsys.readouterr().err
    assert (source / "a.png").read_bytes() == photo.read_bytes()


def test_several_seeds_are_what_each_alone_is(
    tiny_bundle: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(output: str, *options: str) -> None:
        line = [str(photo), *options[:2], "--output", str(photo.with_name(output)), *options[2:]]
        assert edit_command.main([*line, "--checkpoint", str(tiny_bundle), "--device", "cpu"]) == 0

    run("out.png", "make it blue", "remove the star", "--seed", "5", "0", "--explain")
    assert len(capsys.readouterr().out.splitlines()) == 4
    run("one.png", "remove the star", "make it blue", "--seed", "5")
    for several, alone in (("out_1_seed5", "one_2"), ("out_2_seed5", "one_1")):
        assert photo.with_name(f"{several}.png").read_bytes() == photo.with_name(f"{alone}.png").read_bytes()
        assert photo.with_name(f"{several}_explain.png").is_file()
    assert photo.with_name("out_1_seed0.png").read_bytes() != photo.with_name("out_1_seed5.png").read_bytes()


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(output, "write_atomic", full)


def test_a_full_disk_is_one_line(
    tiny_bundle: Path, photo: Path, full_disk: None, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [str(photo), "make it blue", "--output", str(photo.with_name("out.png")), "--steps", "1"]
    assert edit_command.main([*line, "--checkpoint", str(tiny_bundle), "--device", "cpu"]) == 2
    assert capsys.readouterr().err.endswith("out.png cannot be written: No space left on device.\n")


def test_a_disk_that_takes_no_table_of_a_directory_is_told(
    tiny_bundle: Path, photo: Path, full_disk: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (photo.parent / "in").mkdir()
    photo.rename(photo.parent / "in" / "a.png")
    line = [str(photo.parent / "in"), "make it blue", "--output", str(photo.parent / "out"), "--steps", "1"]
    assert edit_command.main([*line, "--checkpoint", str(tiny_bundle), "--device", "cpu"]) == 2
    *_, picture, table = capsys.readouterr().err.splitlines()
    assert picture.endswith("a.png cannot be written: No space left on device.")
    assert table.endswith("edits.csv cannot be written: No space left on device.")


def test_interrupted(
    photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(options: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(edit_file, "edit", interrupt)
    assert edit_command.main([str(photo), "x", "--output", str(photo.with_name("out.png"))]) == 130
    assert capsys.readouterr().err == "Interrupted: no file is half written.\n"
