"""``docs/extend.md`` as it stands: its files are put where it says, and every command of it runs."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
from PIL import Image

from editmgt.data.scenes import SceneDataset

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "extend.md").read_text()
FILES = re.findall(r"^`([\w./]+)`:\n\n```(?:python|yaml)\n(.*?)^```", PAGE, re.S | re.M)
COMMANDS = [
    line for block in re.findall(r"^```bash\n(.*?)^```", PAGE, re.S | re.M) for line in block.splitlines()
]
PRESETS = {"train.py": "debug=smoke", "evaluate.py": "debug=few"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code with the page's files in it; the weights are linked."""
    place = tmp_path_factory.mktemp("clone")
    for name in ("conf", "src", "train.py", "evaluate.py"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        more = {"ignore": shutil.ignore_patterns("tiny_*", "__pycache__")} if name == "src" else {}
        copy(ROOT / name, place / name, **more)  # type: ignore[operator]
    for bundle in (ROOT / "src" / "editmgt" / "assets").glob("tiny_*"):
        (place / "src" / "editmgt" / "assets" / bundle.name).symlink_to(bundle)
    for name, text in FILES:
        assert not (place / name).exists(), "the page adds files and changes none"
        (place / name).write_text(text)
    pairs = SceneDataset("test", size=6)
    rows = [
        {
            "before": Image.fromarray(pairs[i].source),
            "after": Image.fromarray(pairs[i].target),
            "sentence": pairs[i].instruction,
        }
        for i in range(6)
    ]
    kinds = {"before": datasets.Image(), "after": datasets.Image(), "sentence": datasets.Value("string")}
    datasets.Dataset.from_list(rows, datasets.Features(kinds)).to_parquet(str(place / "pairs.parquet"))
    return place


def test_the_page_has_what_it_promises() -> None:
    """A hold rule, a metric, a slice and a dataset with a benchmark of its own: a file, or a file and its YAML."""
    rooms = [str(Path(name).parent) for name, _ in FILES]
    assert sorted(rooms) == [
        "conf/benchmark",
        "conf/benchmark",
        "conf/data",
        "src/editmgt/benchmarks/protocols",
        "src/editmgt/benchmarks/slices",
        "src/editmgt/editing/hold_rules",
        "src/editmgt/metrics",
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page(command: str, clone: Path) -> None:
    _, script, *arguments = shlex.split(command)
    run = subprocess.run(
        [sys.executable, script, *arguments, PRESETS[script]],
        cwd=clone,
        env=os.environ | {"PYTHONPATH": str(clone / "src")},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=1800,  # guards against a hang alone
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-3000:]
    assert "Traceback" not in run.stderr and "failed" not in run.stdout
