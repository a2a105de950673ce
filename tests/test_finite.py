"""Weights that a diverged training left: refused by name wherever they are read, never scored as results."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from editmgt.editing import Editor
from editmgt.editing.edit_command import main as edit
from editmgt.errors import UserError
from editmgt.finite import all_finite

ROOT = Path(__file__).parent.parent
PARTS = {
    "vqvae": ("diffusion_pytorch_model.safetensors", "quantize.embedding.weight"),
    "text_encoder": ("model.safetensors", "text_projection.weight"),
    "transformer": ("diffusion_pytorch_model.safetensors", "context_embedder.bias"),
}


def poisoned(bundle: Path, part: str, directory: Path) -> Path:
    shutil.copytree(bundle, directory)
    file, name = PARTS[part]
    state = load_file(directory / part / file)
    state[name].view(-1)[3] = torch.nan
    save_file(state, directory / part / file, metadata={"format": "pt"})
    return directory


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_an_editor(tiny_bundle: Path, tmp_path: Path, part: str) -> None:
    directory = poisoned(tiny_bundle, part, tmp_path / "editor")
    with pytest.raises(UserError, match=rf"not finite \(NaN or infinite\), in {PARTS[part][1]}") as caught:
        Editor.from_pretrained(directory)
    assert str(directory / part) in str(caught.value) and "\n" not in str(caught.value)


def test_the_commands_stop_before_any_work(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    directory = poisoned(tiny_bundle, "transformer", tmp_path / "editor")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT))
    import evaluate
    from editmgt.sweeps import command

    Image.new("RGB", (32, 32)).save("photo.png")
    assert edit(["photo.png", "make it red", "--output", "out.png", "--checkpoint", str(directory)]) == 2
    assert (
        command.main("evaluate", evaluate.run, ROOT / "conf", [f"checkpoint='{directory}'", "logger=none"])
        == 2
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["editor", "photo.png"]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all("context_embedder.bias" in line for line in lines)


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn]
)
def test_whatever_the_type(dtype: torch.dtype) -> None:
    values = torch.linspace(-3, 3, 1000)
    assert all_finite(values.to(dtype))
    values[777] = torch.nan
    assert not all_finite(values.to(dtype))


def test_what_has_no_such_numbers() -> None:
    assert (
        all_finite(torch.arange(3))
        and all_finite(torch.ones(2, dtype=torch.bool))
        and all_finite(torch.zeros(0))
    )
