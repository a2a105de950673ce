"""Every command of the README and of ``docs/`` runs as it is written, shortened by the debug presets; no link is broken."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from PIL import Image

from editmgt.data.scenes import SceneDataset
from editmgt.sweeps.compose import compose_all

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
REPORTS = "outputs/*/*/report/report.md"
PRESETS = {"train.py": ["debug=smoke"], "evaluate.py": ["debug=few"], "edit.py": ["--steps", "2"]}


def lines(language: str, pages: Iterable[Path] = PAGES) -> list[str]:
    """The lines of the pages' code blocks in a language, each once, comments cut, ``pip install ... &&`` done already."""
    text = "\n".join(page.read_text() for page in pages)
    fences = re.findall(r"^```(\w*)\n(.*?)^```", text, re.S | re.M)
    joined = "\n".join(block for name, block in fences if name == language).replace("\\\n", " ")
    return list(dict.fromkeys(line.split("#")[0].split("&&")[-1].strip() for line in joined.splitlines()))


def commands() -> list[str]:
    """The pages' commands that run here; a block marked ``bash`` needs what is not here: weights, data, GPUs, or much time."""
    return [line for line in lines("") if re.match(r"python (train|evaluate|edit)\.py", line)]


def composed_alone() -> list[str]:
    """Commands of blocks marked ``bash`` that have settings; those of extend.md run, in a clone (test_extend.py)."""
    kind = r"python (train\.py|evaluate\.py|-m editmgt\.prepare) (?!--)"
    return [
        line for line in lines("bash", (p for p in PAGES if p.name != "extend.md")) if re.match(kind, line)
    ]


def test_the_readme_shows_what_a_newcomer_does() -> None:
    text = (ROOT / "README.md").read_text()
    for needed in ('pip install -e ".[dev]" && python train.py', 'pip install -e ".[dev]" && pytest'):
        assert needed in text
    assert len(commands()) >= 6
    assert len(text.splitlines()) <= 120 and max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize("command", composed_alone())
def test_what_cannot_run_here_is_a_valid_command(command: str) -> None:
    """Its keys, values and cells are those of the configuration; a place for the reader's own weights is a hub's name."""
    own = r"(?<==)\.\.\.|WEIGHTS|STAGE\d/checkpoints/editor"
    arguments = shlex.split(re.sub(own, "owner/name", command.replace("-m editmgt.prepare", "prepare.py")))
    task = arguments[1].removesuffix(".py")
    settings = [argument for argument in arguments[2:] if not argument.startswith("-")]
    assert compose_all(ROOT / "conf", task, settings, multirun="-m" in arguments).cells


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader gives one command after the other: what one leaves, the next may use."""
    place = tmp_path_factory.mktemp("clone")
    Image.fromarray(SceneDataset("test")[0].source).save(place / "photo.png")
    (place / "docs").symlink_to(ROOT / "docs")
    return place


@pytest.mark.parametrize("command", commands())
def test_readme_command(
    command: str,
    clone: Path,
    script: Callable[..., "subprocess.CompletedProcess[str]"],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(clone)
    before = {*clone.glob(REPORTS)}
    _, name, *arguments = shlex.split(command)
    arguments = [
        a for a in arguments if not a.startswith(("benchmark.size=", "sampler=")) and a not in PRESETS[name]
    ]  # the presets set them
    shortened = (
        [*PRESETS[name], *arguments] if "--" in arguments else [*arguments, *PRESETS[name]]
    )  # what follows -- is no option
    run = in_processes(name, *shortened) if "trainer=ddp" in arguments else script(name, *shortened)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-3000:]
    assert "Traceback" not in run.stderr
    if name == "edit.py":
        output = clone / re.findall(r"--output[ =](\S+)", command)[0]
        assert Image.open(output).size == (64, 64)
        assert output.with_stem(f"{output.stem}_explain").is_file() == ("--explain" in arguments)
    elif "plan=only" not in arguments:
        (report,) = {*clone.glob(REPORTS)} - before
        assert "control: copy source" in report.read_text()
        assert (report.parent / "summary.csv").is_file()


def in_processes(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A command whose processes start it anew."""
    return subprocess.run(
        [sys.executable, ROOT / name, *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=1800,  # guards against a hang alone: how fast a machine is, is no part of the test
        check=False,
    )
