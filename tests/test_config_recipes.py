"""Recipes that cannot give what they ask for: told in one line, before any work."""

from pathlib import Path

import pytest
import torch
from test_config import composed

from editmgt.config import problems

CODEC = ("experiment=tiny_codec",)
DECODER = ("experiment=tiny_codec_decoder", "init_from=tiny_base")
BASE = ("experiment=tiny_base", "init_from=tiny_base")
ON_GPU = "trainer.accelerator=gpu"


def told(*overrides: str) -> list[str]:
    return problems(composed("train", *overrides))


@pytest.mark.parametrize("codec", [CODEC, DECODER], ids=["from nothing", "decoder"])
def test_a_codecs_weights_are_not_rounded(codec: tuple[str, ...]) -> None:
    """Encoder and codebook would be stored as they were rounded, and most codes be others."""
    for precision in ("auto", "32-true", "bf16-mixed", "16-mixed"):
        assert told(*codec, ON_GPU, f"trainer.precision={precision}") == []
    for precision in ("bf16-true", "64-true"):
        assert told(ON_GPU, f"trainer.precision={precision}") == []
        [line] = told(*codec, ON_GPU, f"trainer.precision={precision}")
        assert line.startswith(f"trainer.precision={precision} ") and "auto, 32-true, bf16-mixed" in line


def test_a_training_has_steps() -> None:
    [line] = told("trainer.max_steps=0")
    assert line.startswith("trainer.max_steps=0 would train nothing")


def test_a_codec_quantises_before_its_training_ends() -> None:
    [line] = told(*CODEC, "trainer.max_steps=600")
    assert line.startswith("model.continuous_steps=600 ") and "trainer.max_steps=600" in line
    assert told(*CODEC, "trainer.max_steps=601") == []
    assert told(*CODEC, "trainer.max_steps=-1", "trainer.max_time=00:00:05:00") == []
    assert told(*DECODER, "trainer.max_steps=10") == []  # it finds the codes there


def test_a_codec_from_nothing_can_be_made_short() -> None:
    assert told("model=tiny_codec", "init_from=null") == []
    assert told(*CODEC, "debug=smoke") == []


@pytest.mark.parametrize(("size", "said"), [(1, 1), (15, 1), (16, 0)])
def test_a_codecs_batch_of_scenes_is_pairs(size: int, said: int) -> None:
    found = told(*CODEC, f"data.batch_size={size}")
    assert len(found) == said
    assert all(line.startswith(f"data.batch_size={size} must be even") for line in found)
    assert told("data.batch_size=15") == []


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        ((*CODEC, "model.lora.rank=8"), "model.lora.rank=8 has no effect with model.kind=codec"),
        (
            (*DECODER, "model.gradient_checkpointing=true"),
            "model.gradient_checkpointing=true has no effect with model.kind=codec",
        ),
        ((*CODEC, "model.llm=tiny_base"), "model.llm=tiny_base has no effect with model.kind=codec"),
        ((*BASE, "model.teacher=tiny_base"), "model.teacher=tiny_base has no effect with model.kind=base"),
        (("model.continuous_steps=50",), "model.continuous_steps=50 has no effect with model.kind=editor"),
        (("model.lora.merge=true",), "model.lora.merge=true has no effect with model.lora.rank=0"),
        (
            ("model.paradigm=flow", "model.teacher=tiny_editor"),
            "model.teacher=tiny_editor has no effect with model.paradigm=flow",
        ),
    ],
)
def test_what_is_asked_for_and_not_read(overrides: tuple[str, ...], line: str) -> None:
    assert told(*overrides) == [f"{line}: leave one of them out."]


@pytest.mark.parametrize(
    "overrides",
    [
        (
            *CODEC,
            "model.train_text_encoder=true",
            "model.decay_fraction=0",
        ),  # as models of other kinds have them
        (*DECODER, "model.continuous_steps=50"),
        ("model.lora.rank=8", "model.lora.merge=true"),
        ("model.lora.alpha=1",),
    ],
)
def test_a_value_that_may_stand_in_a_file_is_no_mistake(overrides: tuple[str, ...]) -> None:
    assert told(*overrides) == []


def test_a_flow_is_held_by_attention() -> None:
    assert told("model.paradigm=flow") == []
    [line] = told("model.paradigm=flow", "model.localization.source=posterior")
    assert line == (
        "model.localization.source=posterior reads probabilities of codes, which a flow does not predict: it must be attention (the presets balanced and fast set it)."
    )
    [line] = told("model.paradigm=flows")
    assert line.startswith("model.paradigm=flows must be") and "Did you mean 'flow'?" in line


def test_a_text_encoder_that_comes_with_the_weights_has_its_sizes(tmp_path: Path) -> None:
    assert told(*BASE) == []
    [line] = told(*BASE, "model.text_encoder.num_hidden_layers=6")
    assert line.startswith("model.text_encoder.num_hidden_layers=6 contradicts init_from=tiny_base, ")
    assert "has 3" in line
    (tmp_path / "vqvae").mkdir()
    (tmp_path / "vqvae/config.json").write_text("{}")
    alone = f"init_from='{tmp_path}'"  # a codec: the text encoder starts fresh
    assert told("experiment=tiny_base", alone, "model.text_encoder.num_hidden_layers=6") == []


def test_a_checkpoint_beyond_the_end(tmp_path: Path) -> None:
    checkpoint = tmp_path / "last.ckpt"
    torch.save({"global_step": 4, "state_dict": {}}, checkpoint)
    resume = f"resume='{checkpoint}'"
    assert told(resume, "trainer.max_steps=4") == []
    assert told(resume, "trainer.max_steps=-1", "trainer.max_time=00:00:05:00") == []
    assert told(resume, "trainer.max_steps=3") == [
        f"resume={checkpoint} is at step 4, beyond trainer.max_steps=3: name an earlier checkpoint, or train longer."
    ]
