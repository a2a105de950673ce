"""Weights are known by the content of all their files, trainings by all that they read and nothing else."""

import ast
import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from shutil import copytree

import pytest
from test_config import composed

import editmgt
from editmgt.config.schema import Train
from editmgt.stores.fingerprint import TRAINING_SOURCE, training_fingerprint, weights_digest

SOURCE = Path(editmgt.__file__).parent
CODEC = ("experiment=tiny_codec",)
DECODER = ("experiment=tiny_codec_decoder", "init_from=tiny_base")
BASE = ("experiment=tiny_base", "init_from=tiny_base")
NO_WEIGHTS = {"__init__.py", "cuts.py"}  # of editing: what a training says with them decides none


def fingerprint(*overrides: str) -> str:
    return training_fingerprint(Train.model_validate(composed("train", *overrides)))


def test_a_part_that_is_a_link_counts_by_what_is_behind_it(tiny_bundle: Path, tmp_path: Path) -> None:
    linked = copytree(tiny_bundle, tmp_path / "linked")
    elsewhere = (linked / "vqvae").rename(tmp_path / "vqvae")
    (linked / "vqvae").symlink_to(elsewhere)
    before = weights_digest(str(linked))
    assert before == weights_digest(str(tiny_bundle))
    weights = next(elsewhere.glob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert weights_digest(str(linked)) != before


@pytest.mark.parametrize(
    ("start", "change"),
    [
        (CODEC, "model.decay_fraction=0"),
        (CODEC, "model.train_text_encoder=false"),
        (CODEC, "model.lora.alpha=1"),
        (CODEC, "model.attention_injection=false"),
        (DECODER, "model.continuous_steps=7"),
        (BASE, "model.edit_masking=0"),
        (BASE, "model.text_encoder=null"),  # it comes with the weights
        ((), "model.lora.alpha=1"),
        ((), "model.lora.stream=reference"),
        ((), "model.injection_fallback=none"),
        (("model.attention_injection=false",), "model.reference_attends=itself"),
    ],
)
def test_what_a_training_does_not_read_makes_no_other_one(start: tuple[str, ...], change: str) -> None:
    assert fingerprint(*start, change) == fingerprint(*start)


@pytest.mark.parametrize(
    ("start", "change"),
    [
        ((), "model.decay_fraction=0"),
        ((), "model.train_text_encoder=false"),
        ((), "model.edit_masking=0"),
        (("model.lora.rank=8",), "model.lora.alpha=1"),
        (("model.lora.rank=8",), "model.lora.merge=true"),
        (CODEC, "model.continuous_steps=7"),
        (("model.attention_injection=false",), "model.injection_fallback=none"),
        ((), "model.reference_attends=itself"),
    ],
)
def test_what_a_training_reads_makes_another_one(start: tuple[str, ...], change: str) -> None:
    assert fingerprint(*start, change) != fingerprint(*start)


def test_how_a_teacher_is_asked_counts(tiny_bundle: Path, tmp_path: Path) -> None:
    teacher = copytree(tiny_bundle, tmp_path / "teacher")
    before = fingerprint(f"model.teacher='{teacher}'")
    assert before == fingerprint(f"model.teacher='{tiny_bundle}'")
    index = json.loads((teacher / "model_index.json").read_text())
    for name, value, same in (("steps", 99, True), ("reference_attends", "itself", False)):
        changed = deepcopy(index)
        changed["edit_settings"][name] = value
        (teacher / "model_index.json").write_text(json.dumps(changed))
        assert (fingerprint(f"model.teacher='{teacher}'") == before) is same, name


def test_all_source_that_decides_weights_counts() -> None:
    read = {name for path in sources(*TRAINING_SOURCE) for name in editing_files(path)}
    assert {f"editing/{name}" for name in read - NO_WEIGHTS} <= {*TRAINING_SOURCE}


def sources(*names: str) -> Iterator[Path]:
    """Files and all files of folders; of editing's own, what they import is for editing."""
    for name in names:
        if not name.startswith("editing/"):
            yield from [SOURCE / name] if name.endswith(".py") else (SOURCE / name).rglob("*.py")


def editing_files(path: Path) -> Iterator[str]:
    """The files of ``editing`` that a file names in its imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("editmgt.editing"):
            module = (node.module or "").removeprefix("editmgt.editing").lstrip(".")
            for name in [module] if module else [alias.name for alias in node.names]:
                found = SOURCE / "editing" / f"{name}.py"
                yield found.name if found.is_file() else "__init__.py"


def test_notes_of_a_download_are_no_weights(tiny_bundle: Path, tmp_path: Path) -> None:
    """Of ``hf download --local-dir``, with the time; they differ from machine to machine."""
    downloaded = copytree(tiny_bundle, tmp_path / "downloaded")
    (downloaded / ".cache").mkdir()
    (downloaded / ".cache" / "model.metadata").write_text("of today")
    assert weights_digest(str(downloaded)) == weights_digest(str(tiny_bundle))
