"""Where weights are looked for, what is said when they are not there, and that nothing found is run."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from metric_weights import SQUEEZENET, write_clip, write_squeezenet, write_vit
from safetensors.torch import save_file

from editmgt.errors import UserError
from editmgt.metrics import Backbones
from editmgt.metrics.backbones import KINDS
from editmgt.metrics.network_weights import MissingWeights, digest, read_tensors

REVISION = "0123456789abcdef0123456789abcdef01234567"


def in_hub_cache(home: Path, repository: str) -> Path:
    """The directory of a repository's snapshot, as huggingface_hub lays it out."""
    folder = home / "hub" / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(REVISION)
    (folder / "snapshots").mkdir()
    return folder / "snapshots" / REVISION


def python(code: str, home: Path) -> str:
    """What a fresh, offline process prints: the libraries read HF_HOME when they are imported."""
    environment = os.environ | {
        "HF_HOME": str(home / "hf"), "TORCH_HOME": str(home / "torch"), "HOME": str(home), "HF_HUB_OFFLINE": "1",
        "HF_HUB_CACHE": str(home / "hf" / "hub"),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


LOOK = """
from editmgt.errors import UserError
from editmgt.metrics import Backbones
backbones = Backbones({"lpips": {"net": "squeeze"}})
for kind in ("clip", "dino", "structure", "lpips", "inception"):
    try:
        backbones.get(kind)
        print(kind, "found", *backbones.files(kind), backbones.identity(kind)["weights"])
    except UserError as error:
        print(kind, type(error).__name__, error)
"""


def test_the_usual_caches(tmp_path: Path) -> None:
    """DINO in HF_HOME, SqueezeNet in TORCH_HOME, a broken CLIP in HF_HOME; the others are nowhere."""
    dino = write_vit(in_hub_cache(tmp_path / "hf", "facebook/dino-vits16"), patch_size=32)
    squeeze = write_squeezenet(tmp_path / "torch")
    clip = in_hub_cache(tmp_path / "hf", "timm/vit_base_patch32_clip_224.openai")
    clip.mkdir()
    save_file({"a": torch.zeros(1)}, clip / "open_clip_model.safetensors")
    said = dict(line.split(" ", 1) for line in python(LOOK, tmp_path).splitlines())
    assert said["dino"].startswith(f"found {dino}/config.json {dino}/model.safetensors ")
    assert said["dino"].endswith(digest([dino / "config.json", dino / "model.safetensors"]))
    assert said["lpips"] == f"found {squeeze} {digest([squeeze])}"
    assert said["clip"].startswith(
        f"UserError {clip}/open_clip_model.safetensors cannot be read as weights of"
    )
    assert said["structure"] == (
        "MissingWeights config.json and model.safetensors of facebook/dino-vitb8 are not in "
        f"{tmp_path}/hf/hub and cannot be fetched (HF_HUB_OFFLINE is set): put them in a directory and say "
        "metrics.structure.weights=DIRECTORY."
    )
    assert said["inception"] == (
        f"MissingWeights weights-inception-2015-12-05-6726825d.pth is not in {tmp_path}/torch/hub/checkpoints "
        "and cannot be fetched (HF_HUB_OFFLINE is set): put it there, or say metrics.inception.weights=FILE."
    )


def test_safetensors_beside_a_checkpoint_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = write_squeezenet(tmp_path)
    safe = path.with_suffix(".safetensors")
    save_file(read_tensors(path), safe)
    backbones = Backbones({"lpips": {"net": "squeeze"}})
    assert backbones.files("lpips") == (safe,)
    from_file = Backbones({"lpips": {"net": "squeeze", "weights": str(path)}})
    for mine, theirs in zip(
        backbones.get("lpips").parameters(), from_file.get("lpips").parameters(), strict=True
    ):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_configured_path_that_is_not_there_is_an_error_even_where_metrics_may_be_left_out(
    kind: str,
) -> None:
    with pytest.raises(UserError, match=rf"metrics\.{kind}\.weights=/nowhere: there is no such") as caught:
        Backbones({kind: {"weights": "/nowhere"}}).files(kind)
    assert not isinstance(caught.value, MissingWeights)


@pytest.mark.parametrize("kind", ["dino", "clip"])
def test_a_directory_without_the_files_names_them(kind: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no .*config\.json, .*model\.safetensors"):
        Backbones({kind: {"weights": str(tmp_path)}}).files(kind)


def test_wrong_names_of_clip_are_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"clip\.model=ViT-B-33 .*Did you mean 'ViT-B-32'"):
        Backbones({"clip": {"model": "ViT-B-33"}}).files("clip")
    with pytest.raises(UserError, match=r"clip\.tag=opena1 .*Did you mean 'openai'"):
        Backbones({"clip": {"tag": "opena1"}}).files("clip")
    file = tmp_path / "weights.safetensors"  # the tag says how it is to be read, too
    file.touch()
    with pytest.raises(UserError, match=r"clip\.tag=opena1 .*Did you mean 'openai'"):
        Backbones({"clip": {"tag": "opena1", "weights": str(file)}}).files("clip")


def test_a_vit_that_is_not_what_its_config_says(tmp_path: Path) -> None:
    directory = write_vit(tmp_path / "vit", patch_size=32)
    tensors = read_tensors(directory / "model.safetensors")
    tensors.pop("layernorm.weight")
    save_file(tensors, directory / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"vit is not the ViT its config\.json says: layernorm\.weight"):
        Backbones({"dino": {"weights": str(directory)}}).get("dino")


def test_a_clip_that_would_fetch_other_models_is_refused(tmp_path: Path) -> None:
    directory = write_clip(tmp_path / "clip")
    config = directory / "open_clip_config.json"
    config.write_text(
        config.read_text().replace('"context_length"', '"hf_model_name": "a/b", "context_length"')
    )
    with pytest.raises(UserError, match="builds on models from elsewhere"):
        Backbones({"clip": {"weights": str(directory)}}).get("clip")


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(BOMBED),)


BOMBED = Path(f"/tmp/editmgt-bombed-{os.getpid()}")


@pytest.mark.parametrize("kind", ["lpips", "inception", "clip"])
def test_a_pickle_is_not_run(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    with path.open("wb") as file:
        pickle.dump({"a": Bomb()}, file)
    with pytest.raises(UserError, match=r"weights\.pth cannot be read as weights"):
        Backbones({kind: {"weights": str(path)}}).get(kind)
    assert not BOMBED.exists()


def test_a_truncated_file(tmp_path: Path) -> None:
    path = write_squeezenet(tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match=rf"{SQUEEZENET} cannot be read as weights"):
        Backbones({"lpips": {"net": "squeeze", "weights": str(path)}}).get("lpips")


def test_the_identity_is_of_the_content_wherever_it_lies(tmp_path: Path) -> None:
    first = write_vit(tmp_path / "first", patch_size=32)
    second = tmp_path / "second"
    second.mkdir()
    for file in first.iterdir():
        (second / file.name).write_bytes(file.read_bytes())
    identities = [Backbones({"dino": {"weights": str(d)}}).identity("dino") for d in (first, second)]
    assert identities[0] == identities[1]
    other = write_vit(tmp_path / "other", patch_size=32)
    assert Backbones({"dino": {"weights": str(other)}}).identity("dino") != identities[0]
