import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from editmgt.config.presets import presets
from editmgt.editing import Editor, edit_command, output

ROOT = Path(__file__).parents[2]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.linear_gradient("L").convert("RGB").resize((50, 40)).save(path)
    return path


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


def test_bad_input_in_a_process(tmp_path: Path) -> None:
    command_line = [sys.executable, ROOT / "edit.py", "none.png", "x", "--output", tmp_path / "out.png"]
    done = subprocess.run(command_line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "There is no image file 'none.png'.\n"


def test_a_mistake_does_not_wait_for_the_models_libraries(tmp_path: Path) -> None:
    """transformers and diffusers take most of the seconds that an edit needs to begin."""
    line = ["none.png", "x", "--output", str(tmp_path / "out.png"), "--steps", "0"]
    code = f"import sys; from editmgt.editing.edit_command import main; print(main({line}), *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    status, *modules = done.stdout.split()
    assert status == "2" and "torch" in modules and not {"transformers", "diffusers"} & {*modules}


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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{photo}", "x"], "--output"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--stepz", "3"], "--stepz"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--speed", "fsat"], "quality. Did you mean 'fast'?"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--speed", "balanced", "--no-consolidation"],
         "--no-consolidation has no effect with --speed balanced: leave one of them out."),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--speed", "balanced", "--query", "x"],
         "--query has no effect with --speed balanced"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--speed", "balanced", "--hold-quantile", ".5"],
         "--hold-quantile has no effect with --speed balanced"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--speed", "fast", "--map-source", "guidance",
          "--hold-when", "every_step"], "--speed's guidance_interval=[0.5, 1.0] must be [0, 1], or --hold-when=first_pass"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--steps", "many"], "invalid int value: 'many'"),
        (["{tmp}/none.png", "x", "--output", "{tmp}/out.png"], "There is no image file"),
        (["{photo}", "x", "--output", "{tmp}/o.png", "--guidance-scale", "1e38"],
         "--guidance-scale=1e+38 must be at most "),
        (["{photo}", "x", "--output", "{tmp}/o.png", "--map-source", "posteriour"], "Did you mean 'posterior'?"),
        (["{photo}", "x", "--output", "{tmp}/o.png", "--map-source", "guidance", "--guidance-scale", "1"],
         "--map-source=guidance compares with an unconditional pass: --guidance-scale=1 must be more than 1."),
        (["{photo}", "x", "--output", "{tmp}/o.png", "--map-source", "guidance", "--hold-rule", "likelihood"],
         "--hold-rule=likelihood needs --map-source=posterior, not guidance."),
        (["{photo}", "x", "--output", "{tmp}/o.png", "--map-source", "attention"],
         "--map-source=attention: the checkpoint's --hold-threshold=0.5 was chosen for posterior, and the two maps have other scores: "
         "set --hold-threshold too."),
        (["{photo}", "x", "--output", "{tmp}/o.png", "--hold-rule", "otsu", "--hold-threshold", "0.1"],
         "--hold-threshold has no effect with --hold-rule otsu"),
        (["{photo}", "x", "--output", "{tmp}/o.png", "--hold-quantile", "0.9"],  # the checkpoint's rule has a threshold
         "--hold-quantile has no effect with --hold-rule threshold"),
        (["{photo}", "x", "--output", "{tmp}/o.png", "--no-region-hold", "--hold-when", "first_pass"],
         "--hold-when has no effect with --no-region-hold"),
        (["{photo}", "x", "--output", "{tmp}/o.png", "--map-source", "posterior", "--query", "x"],
         "--query has no effect with --map-source posterior"),
        (["{photo}", "x", "--output", "{tmp}/o.png", "--checkpoint", "tiny_editor_input", "--reference-attends", "itself"],
         "--reference-attends has no effect with this checkpoint, which learnt without attention injection: leave it out."),
        (["{tmp}", "x", "--output", "{tmp}"], "must be a directory, another one than"),
        (["{tmp}", "x", "--output", "{tmp}/out", "--explain"], "--explain shows one edit"),
        (["{tmp}/folder.png", "x", "--output", "{tmp}/out"], "holds no picture"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--max-pixels", "1999"],
         "photo.png' has 50x40 pixels, more than the limit of 1,999"),
        (["{photo}", "make it \udcff", "--output", "{tmp}/out.png"], "not valid UTF-8"),
        (["{tmp}/half.png", "x", "--output", "{tmp}/out.png"], "half.png' cannot be read as an image"),
        (["{tmp}/text.png", "x", "--output", "{tmp}/out.png"], "text.png' cannot be read as an image"),
        (["{photo}", " ", "--output", "{tmp}/out.png"], "instruction is empty"),
        (["{photo}", "x", "--output", "{tmp}/out.xyz"], "'.xyz' is no image format"),
        (["{photo}", "x", "--output", "{tmp}/out.pgn"], "Did you mean '.png'?"),
        *(
            (["{photo}", "x", "--output", f"{{tmp}}/out.{end}"], f"a '.{end}' file cannot hold a colour picture")
            for end in ("blp", "bufr", "emf", "grib", "h5", "hdf", "msp", "palm", "wmf", "xbm")
        ),
        (["{tmp}/wide.png", "x", "--output", "{tmp}/out.webp"],
         "A picture of 17000x200 pixels cannot be written as WEBP: encoding error 5: Image size exceeds"),
        (["make it blue " * 25, "{photo}", "--output", "{tmp}/out.png"], "the picture comes first"),
        (["{photo}", "x", "--output", "{tmp}/" + "o" * 255 + ".png"], "Argument --output: "),
        (["{photo}", "x", "--output", "{tmp}/" + "o" * 245 + ".png"], "the name is longer than 210 bytes"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--checkpoint", "c" * 300], "Argument --checkpoint: "),
        (["{photo}", "x", "--output", "{photo}/out.png"], "cannot be written"),
        (["{photo}", "x", "--output", "{tmp}/folder.png"], "folder.png is a directory and cannot be written: name a file"),
        (["{photo}", "x", "--output", "{tmp}"], "is a directory and cannot be written: name a file, such as"),
        (["{photo}", "x", "--output", "=x"], "'' is no image format"),
        (["=x", "x", "--output", "{tmp}/out.png"], "There is no image file '=x'"),
        (["{photo}", "x", "--output", "{tmp}/more/fifo.png"], "it is no ordinary file"),
        (["{tmp}/more/fifo.png", "x", "--output", "{tmp}/out.png"], "There is no image file"),
        (["{photo}", "x", "--output", "{photo}"], "photo.png is the same file as"),
        (["{photo}", "x", "--output", "{tmp}/more/link.png"], "link.png is the same file as"),
        (["{photo}", "x", "--output", "{tmp}/more/hard.png"], "hard.png is the same file as"),
        (["{tmp}/more/link.png", "x", "--output", "{photo}"], "photo.png is the same file as"),
        (["{tmp}/more/p_2.png", "x", "y", "--output", "{tmp}/more/p.png"], "p_2.png is the same file as"),
        (["{tmp}/more/p_seed7.png", "x", "--output", "{tmp}/more/p.png", "--seed", "3", "7"], "p_seed7.png is the same file"),
        (["{tmp}/more/p_explain.png", "x", "--output", "{tmp}/more/p.png", "--explain"], "p_explain.png is the same file as"),
        (["{photo}", "x", "--output", "{tmp}/more/white.png", "--mask", "{tmp}/more/white.png"], "white.png is the same file as"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--seed", "-1"], "--seed=-1 must be a whole number of at least 0"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--seed", "4294967296"],
         "--seed=4294967296 must be at most 4,294,967,295"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--seed", "0", "1", "0"], "--seed=0 is given twice"),
        (["{tmp}", "x", "--output", "{tmp}/out", "--seed", "0", "1"], "2 seeds came with a directory"),
        (["{tmp}", "x", "--output", "{tmp}/out", "--seed", "-1"], "--seed=-1 must be"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--steps", "0", "--hold-threshold", "2"],
         "--steps=0 must be at least 1. --hold-threshold=2.0 must be at most 1."),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--hold-threshold", "0.2", "--no-region-hold"],
         "--hold-threshold has no effect"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--mask", "{tmp}/none.png"], "There is no image file"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--mask", "{tmp}/small.png"],
         "The mask is 5x4 pixels but its image 50x40"),
        (["{photo}", "x", "--output", "{tmp}/out.jpg", "--composite"], "--composite keeps pixels bit for bit"),
        (["{photo}", "make it blue", "--output", "{tmp}/out.png", "--query", "hat"],
         "The query 'hat' chooses among the instruction's attention, which map_source=posterior does not read"),
        (["{photo}", "make it blue", "--output", "{tmp}/out.png", "--map-source", "attention", "--hold-threshold", "0.03", "--query", "hat"],
         "The query 'hat' is not among the tokens that are read of 'make it blue'"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--negative-prompt", "y", "--guidance-scale", "1"],
         "--negative-prompt has no effect"),
        (["{photo}", "x", " ", "--output", "{tmp}/out.png"], "instruction is empty"),
        (["{tmp}", "x", "y", "--output", "{tmp}/out"], "2 instructions came with a directory"),
        (["{tmp}", "x", "--output", "{tmp}/out", "--mask", "{photo}"], "photo.png must be a directory of masks"),
        (["{tmp}", "x", "--output", "{tmp}/out", "--mask", "{tmp}/folder.png"],
         "it holds none or several for half.png, photo.png, small.png, text.png, wide.png."),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--mask", "{tmp}/folder.png"], "folder.png is a directory"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--mask", "{tmp}/black.dat"], "The mask has no white"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--box", "1,2,3"], "The box '1,2,3' must be four numbers"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--box", "0,0,0,9"], "The box '0,0,0,9' must have left < right"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--box", "0,0,9,101"], "from 0 to 100 percent"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--box", "0,0,9,9", "--mask", "{photo}"],
         "not allowed with argument --"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--mask", "{photo}", "--feather"],
         "it needs --composite and --mask"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--device", "toaster"], "--device=toaster"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--device", "cpu", "--checkpoint", "{tmp}/none"],
         "There is no editor"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--device", "cpu", "--checkpoint", "{tmp}"],
         "is not an editor"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(
    photo: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photo.parent
    (folder / "half.png").write_bytes(photo.read_bytes()[:-60])
    (folder / "text.png").write_text("not a picture")
    Image.new("L", (5, 4)).save(folder / "small.png")
    Image.new("L", (17_000, 200)).save(folder / "wide.png")
    (folder / "folder.png").mkdir()
    Image.new("L", (50, 40)).save(folder / "black.bmp")
    (folder / "black.bmp").rename(folder / "black.dat")
    more = folder / "more"
    more.mkdir()
    (more / "link.png").symlink_to(photo)
    (more / "hard.png").hardlink_to(photo)
    os.mkfifo(more / "fifo.png")
    Image.new("L", (50, 40), 255).save(more / "white.png")
    for name in ("p_2", "p_seed7", "p_explain"):
        (more / f"{name}.png").write_bytes(photo.read_bytes())
    before = sorted(folder.rglob("*"))
    line = [argument.format(photo=photo, tmp=folder) for argument in arguments]
    assert edit_command.main(line) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert said in captured.err
    assert sorted(folder.rglob("*")) == before


def test_all_mistakes_are_told_together(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def told(image: Path, instruction: str, output: str, *options: str) -> list[str]:
        assert (
            edit_command.main([str(image), instruction, "--output", str(photo.with_name(output)), *options])
            == 2
        )
        return capsys.readouterr().err.splitlines()

    contradictions = ["--no-region-hold", "--hold-threshold", ".3"]
    hold, settings = told(photo, "x", "out.png", *contradictions, "--steps", "0", "--guidance-scale", "-1")
    assert hold.startswith("--hold-threshold has no effect")
    assert "--steps=0 must be" in settings and "--guidance-scale=-1.0 must be" in settings
    unled = ["--negative-prompt", "a", "--guidance-scale", "1"]
    for image, out in ((photo, "out.png"), (photo.parent, "out")):
        hold, negative = told(image, "x", out, *contradictions, *unled)
        assert hold.startswith("--hold-threshold") and negative.startswith("--negative-prompt")
    missing = photo.with_name("none")
    lines = told(missing, " ", "out.xyz", "--mask", f"{missing}_mask", "--checkpoint", str(missing),
                 "--adapter", str(missing), "--device", "toaster")  # fmt: skip
    said = ("no image format", "instruction is empty", "There is no image file", "There is no image file",
            "--device=toaster", "There is no editor", "--adapter")  # fmt: skip
    assert len(lines) == len(said) and all(words in line for words, line in zip(said, lines, strict=True))


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
    line = [str(folder), "make it blue", "--output", str(photo.parent / "new" / "out")]
    line += ["--checkpoint", str(tiny_bundle), "--device", "cpu", "--steps", "1"]
    assert edit_command.main(line) == 1
    captured = capsys.readouterr()
    assert (
        captured.out.startswith("Edited 2 pictures of ") and "4 failed, 1 other files skipped" in captured.out
    )
    note, *errors = captured.err.splitlines()
    assert (
        note.startswith("Note: 1 of 5 pictures are reduced: the first has 17000x20 pixels")
        and len(errors) == 4
    )
    out = photo.parent / "new" / "out"
    assert sorted(path.name for path in out.iterdir()) == ["a.jpg", "b.png", "edits.csv"]
    rows = [row.split(",")[:2] for row in (out / "edits.csv").read_text().splitlines()]
    assert rows == [
        ["file", "status"],
        ["a.jpg", "ok"],
        ["a.xbm", "failed"],
        ["b.png", "ok"],
        ["half.png", "failed"],
        ["notes.txt", "skipped"],
        ["text.jpg", "failed"],
        ["wide.webp", "failed"],
    ]
    with Image.open(out / "b.png") as image:
        assert image.size == (20, 60)
    for name in ("a.xbm", "half.png", "text.jpg", "wide.webp"):
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


def test_a_box_is_the_mask_that_it_names(tiny_bundle: Path, photo: Path) -> None:
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
    assert edit_command.main([*line, f"{out}_box.png", *box, *options]) == 0
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


def test_a_full_disk_is_one_line(
    tiny_bundle: Path, photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(output, "write_atomic", full)
    line = [str(photo), "make it blue", "--output", str(photo.with_name("out.png")), "--steps", "1"]
    assert edit_command.main([*line, "--checkpoint", str(tiny_bundle), "--device", "cpu"]) == 2
    assert capsys.readouterr().err.endswith("out.png cannot be written: No space left on device.\n")


def test_interrupted(
    photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(options: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(edit_command, "edit", interrupt)
    assert edit_command.main([str(photo), "x", "--output", str(photo.with_name("out.png"))]) == 130
    assert capsys.readouterr().err == "Interrupted: no file is half written.\n"
