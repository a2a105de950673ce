"""What an interrupted command says of what is kept, and other lines on the way."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from editmgt.files import write_json
from editmgt.results import RunDirectory
from editmgt.stores.identity import training_directory
from editmgt.sweeps import command
from editmgt.sweeps.compose import compose_all
from editmgt.training import EDITOR, LAST

ROOT = Path(__file__).parent.parent.parent


def interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    monkeypatch.chdir(tmp_path)

    def hint(task: str, *arguments: str) -> str:
        assert command.main(task, interrupted, ROOT / "conf", [*arguments]) == command.INTERRUPTED
        return capsys.readouterr().err.splitlines()[-1]

    return hint


def test_an_interrupted_evaluation_speaks_of_its_edits(hint: Callable[..., str], tiny_bundle: Path) -> None:
    said = hint("evaluate", f"checkpoint='{tiny_bundle}'", "logger=none")
    assert "what was edited is kept" in said and "training" not in said


def test_an_interrupted_training_says_where_it_goes_on(hint: Callable[..., str], tiny_bundle: Path) -> None:
    arguments = [f"init_from='{tiny_bundle}'", "model.localization.layers=[1,2]", "logger=none"]
    assert "had no checkpoint yet" in hint("train", *arguments)
    [cell] = compose_all(ROOT / "conf", "train", arguments, multirun=False).cells
    training = training_directory(cell.config, Path())
    (training / LAST).parent.mkdir(parents=True)
    torch.save({}, training / LAST)
    assert "goes on from the training's last checkpoint" in hint("train", *arguments)
    shutil.copytree(tiny_bundle, training / EDITOR)
    assert "The training is finished; the same command goes on with its evaluation" in hint(
        "train", *arguments
    )


def test_cut_instructions_of_a_whole_command_are_one_line(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT))
    sys.modules.pop("evaluate", None)
    import evaluate

    arguments = [f"checkpoint='{tiny_bundle}'", "benchmark.resolution=32", "benchmark.size=60", "logger=none"]
    arguments += ["benchmark=scenes", "sampler.steps=1", "benchmark.batch_size=8"]
    assert command.main("evaluate", evaluate.run, ROOT / "conf", arguments) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "text encoder reads" in line]
    assert len(lines) == 1 and "instructions are longer than the 16 tokens" in lines[0]


def test_rows_of_other_weights_are_not_gone_on_with_after_two_interruptions(
    run: Callable[..., int], tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while it judged, then the weights were replaced, and that attempt was stopped before its first row."""
    arguments = [f"checkpoint='{tiny_bundle}'", "debug=few", "benchmark.resolution=32", "benchmark.size=2"]
    arguments += ["logger=none", "hydra.run.dir=here"]
    assert run("evaluate", *arguments) == 0
    here = RunDirectory(Path("here"))
    controls = RunDirectory(Path("here/reference/controls/copy_source"))
    healthy = [(folder, folder.samples()) for folder in (here, controls)]
    for folder, samples in healthy:
        samples = samples.assign(**{"whole/l1": 0.5})
        samples.to_csv(folder.path / "samples.csv", index=False)
    for path in (here.path, controls.path.parent):
        status = RunDirectory(path).status() | {"training_fingerprint": "other weights"}
        write_json(path / "status.json", status | {"state": "running"})
    for module in ("cell", "reference"):  # attempts that are stopped before their first row
        with monkeypatch.context() as stopped:
            stopped.setattr(
                f"editmgt.sweeps.{module}.{'judged' if module == 'cell' else '_controls'}", interrupted
            )
            assert run("evaluate", *arguments) == command.INTERRUPTED
    assert run("evaluate", *arguments) == 0
    for folder, samples in healthy:
        assert folder.samples()["whole/l1"].tolist() == samples["whole/l1"].tolist()
