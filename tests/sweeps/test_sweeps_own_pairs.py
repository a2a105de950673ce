"""``experiment=lora_on_your_pairs`` as it is documented: from a folder of pairs to an editor, its LoRA, and an edit."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest
from PIL import Image

from editmgt.editing import edit_command

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings("ignore")


def test_from_a_folder_to_a_lora_and_an_edit(run: Callable[..., int], tmp_path: Path) -> None:
    script = ROOT / "experiments" / "own_pairs" / "make_pairs.py"
    subprocess.run(
        [sys.executable, script, tmp_path / "pairs", "photographs", "12"], check=True, timeout=600
    )  # a hang's limit
    lines = (tmp_path / "pairs" / "train" / "instructions.jsonl").read_text().splitlines()
    pairs = [f"data.datasets.folder.path='{tmp_path}/pairs/train'", f"benchmark.path='{tmp_path}/pairs/test'"]
    assert run("train", "experiment=lora_on_your_pairs", *pairs, "debug=smoke", "logger=none") == 0
    [directory] = Path("outputs/runs").iterdir()
    rows = pandas.read_csv(directory / "samples.csv")
    assert len(lines) == 12 and rows["status"].tolist() == ["ok"] * 4 and set(rows["edit_type"]) == {"grey"}
    editor = directory / "checkpoints" / "editor"
    assert json.loads((editor / "adapter" / "adapter_config.json").read_text())["r"] == 16

    photo = tmp_path / "pairs" / "test" / "source" / "0000.png"
    edit = [str(photo), json.loads(lines[0])["instruction"], "--composite", "--steps", "2", "--device", "cpu"]
    edit += [
        "--no-region-hold",
        "--draw-temperature",
        "1",
        "--guidance-scale",
        "2",
    ]  # the two were finished with other settings
    whole = [*edit, "--output", str(tmp_path / "whole.png"), "--checkpoint", str(editor)]
    on_base = [*edit, "--output", str(tmp_path / "adapter.png"), "--adapter", str(editor / "adapter")]
    assert edit_command.main(whole) == edit_command.main([*on_base, "--checkpoint", "tiny_editor"]) == 0
    assert (tmp_path / "whole.png").read_bytes() == (tmp_path / "adapter.png").read_bytes()
    with Image.open(tmp_path / "whole.png") as image, Image.open(photo) as before:
        assert image.size == before.size
