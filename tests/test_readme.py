"""Every command of the README and of ``docs/`` runs as it is written, shortened by the debug presets; no link is broken."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from editmgt.data.scenes import SceneDataset

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PRESETS = {"train.py": ["debug=smoke"], "evaluate.py": ["debug=few"], "edit.py": ["--steps", "2"]}


def commands() -> list[str]:
    """The pages' commands: lines of their plain code blocks, comments cut, ``pip install ... &&`` done already.

    A block marked ``bash`` needs what is not here: weights, data, GPUs, or much time.
    """
    text = "\n".join(page.read_text() for page in PAGES)
    fences = re.findall(r"^```(\w*)\n(.*?)^```", text, re.S | re.M)
    blocks = [block for language, block in fences if not language]
    lines = [line.split("#")[0].split("&&")[-1].strip() for block in blocks for line in block.splitlines()]
    return list(dict.fromkeys(line for line in lines if re.match(r"python (train|evaluate|edit)\.py", line)))


def test_the_readme_shows_what_a_newcomer_does() -> None:
    text = (ROOT / "README.md").read_text()
    for needed in ('pip install -e ".[dev]" && python train.py', 'pip install -e ".[dev]" && pytest'):
        assert needed in text
    assert len(commands()) >= 6


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize("command", commands())
def test_readme_command(command: str, tmp_path: Path) -> None:
    _, script, *arguments = shlex.split(command)
    Image.fromarray(SceneDataset("test")[0].source).save(tmp_path / "photo.png")
    arguments = [
        a for a in arguments if not a.startswith(("benchmark.size=", "sampler=")) and a not in PRESETS[script]
    ]  # the presets set them
    run = subprocess.run(
        [sys.executable, ROOT / script, *arguments, *PRESETS[script]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=1800,  # guards against a hang alone: how fast a machine is, is no part of the test
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-3000:]
    assert "Traceback" not in run.stderr
    if script == "edit.py":
        assert Image.open(tmp_path / "out.png").size == (64, 64)
        assert (tmp_path / "out_explain.png").is_file()
    elif "plan=only" not in arguments:
        (report,) = tmp_path.glob("outputs/*/*/report/report.md")
        assert "control: copy source" in report.read_text()
        assert (report.parent / "summary.csv").is_file()
