import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from editmgt.editing import edit_command

ROOT = Path(__file__).parents[2]


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
        (["{photo}", "x", "--output", "{tmp}/out.png", "--speed", "quality", "--hold-quantile", ".5"],
         "--hold-quantile has no effect with --hold-rule threshold, the checkpoint's own"),
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
        (["{tmp}", "x", "--output", "{photo}/out"], "photo.png/out cannot be written: {photo} is no directory."),
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
        (["{photo}", "x", "--output", "{tmp}/out.ico"],
         "out.ico: a '.ico' file cannot hold a picture of 50x40 pixels; try .png or .jpg."),
        (["{photo}", "x", "--output", "{tmp}/out.icns"], "a '.icns' file cannot hold a picture of 50x40 pixels"),
        (["make it blue " * 25, "{photo}", "--output", "{tmp}/out.png"], "the picture comes first"),
        (["{photo}", "x", "--output", "{tmp}/" + "o" * 255 + ".png"], "Argument --output: "),
        (["{photo}", "x", "--output", "{tmp}/" + "o" * 245 + ".png"], "the name is longer than 210 bytes"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--checkpoint", "c" * 300], "Argument --checkpoint: "),
        (["{photo}", "x", "--output", "{photo}/out.png"], "cannot be written"),
        (["{photo}", "x", "--output", "{tmp}/folder.png"], "folder.png is a directory and cannot be written: name a file"),
        (["{photo}", "x", "--output", "{tmp}"], "is a directory and cannot be written: name a file, such as"),
        (["{photo}", "x", "--output", "=x"], "--output =x has no ending that says the format: =x.png, for one."),
        (["make it blue", "{photo}", "--output", "{tmp}/out.png"],
         "There is no image file 'make it blue'. The picture comes first, then the instruction."),
        (["{photo}", "make", "the", "circle", "blue", "--output", "{tmp}/out.png"],
         '4 instructions of one word each: put the sentence into plain quotes, "make the circle blue".'),
        (["{photo}", "“make", "it", "blue”", "--output", "{tmp}/out.png"], 'into plain quotes, "make it blue".'),
        (["{photo}", "make it blue", "checkpoint=tiny_editor", "--output", "{tmp}/out.png"],
         "checkpoint=tiny_editor is no instruction: write --checkpoint tiny_editor."),
        (["{photo}", "x", "--ouput", "{tmp}/out.png"], "There is no option --ouput. Did you mean '--output'?"),
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
         "The query 'hat' chooses among the instruction's attention, which --map-source=posterior does not read"),
        (["{photo}", "make it blue", "--output", "{tmp}/out.png", "--map-source", "attention", "--hold-threshold", "0.03", "--query", "hat"],
         "The query 'hat' is not among the tokens that are read of 'make it blue'"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--negative-prompt", "y", "--guidance-scale", "1"],
         "--negative-prompt has no effect"),
        (["{photo}", "x", " ", "--output", "{tmp}/out.png"], "instruction is empty"),
        (["{tmp}", "x", "y", "--output", "{tmp}/out"], "2 instructions came with a directory"),
        (["{tmp}", "x", "--output", "{tmp}/new.png"], "is to be a directory"),
        (["{tmp}/phto.png", "x", "--output", "{tmp}/out.png"], "phto.png'. Did you mean 'photo.png'?"),
        (["{photo}", "x", "--output", "{tmp}/out.png", "--checkpoint", "{tmp}/run"], "/run/checkpoints/editor'?"),
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
    scheduler = folder / "run" / "checkpoints" / "editor" / "scheduler"  # of a run that is no editor itself
    scheduler.mkdir(parents=True)
    (scheduler / "scheduler_config.json").write_text("{}")
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
    assert said.format(photo=photo) in captured.err
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


def test_a_folder_that_may_not_be_searched(
    photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As anyone but root meets one."""
    stat = os.stat

    def refused(path: Any, **options: Any) -> os.stat_result:
        if "secret" in Path(path).parts[:-1]:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", refused)
    secret = str(photo.parent / "secret" / "a.png")
    out = str(photo.parent / "out.png")
    for line in ([str(photo), "x", "--output", secret], [secret, "x", "--output", out]):
        assert edit_command.main(line) == 2
        told = capsys.readouterr().err
        assert told.count("\n") == 1 and "a.png" in told
