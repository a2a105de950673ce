"""LoRA, gradient checkpointing, accumulation and the 8-bit optimiser in real trainings, a few steps long."""

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from small_training import configuration, train, weights
from test_config import composed
from tiny_parts import POOLED_WIDTH, TEXT_WIDTH

from editmgt import config as schema
from editmgt.config.schema import Model
from editmgt.editing import Editor
from editmgt.errors import UserError
from editmgt.training import LAST
from editmgt.training.parts import starting_parts


def recipe(bundle: Path, cache: Path, lora: dict[str, Any] | None = None, **trainer: Any) -> dict[str, Any]:
    config = configuration(bundle, cache, **{"max_steps": 2, **trainer})
    config["model"]["train_text_encoder"] = False
    config["model"]["lora"] |= {"rank": 2, "alpha": 4.0} | (lora or {})
    return config


def bare(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The base's weights in an adapted transformer."""
    return {name.replace(".base_layer.", "."): value for name, value in state.items() if ".lora_" not in name}


def test_a_lora_training_leaves_base_and_adapter_and_resumes(tiny_bundle: Path, tmp_path: Path) -> None:
    config = recipe(tiny_bundle, tmp_path / "cache")
    config["model"]["decay_fraction"] = 0  # so that the run can be made longer below
    finished = train(config, tmp_path / "run")
    base = Editor.from_pretrained(tiny_bundle).transformer.state_dict()
    both = Editor.from_pretrained(finished).transformer.state_dict()
    on_base = Editor.from_pretrained(tiny_bundle, adapter=finished / "adapter").transformer.state_dict()
    assert any(value.any() for name, value in both.items() if ".lora_B" in name)  # it has learnt
    assert bare(both).keys() == base.keys()
    assert all(torch.equal(bare(both)[name], value) for name, value in base.items())
    assert all(torch.equal(both[name], value) for name, value in on_base.items())

    last = tmp_path / "run" / LAST
    names = torch.load(last, weights_only=True)["state_dict"]
    assert names and all(".lora_" in name for name in names)  # neither frozen weights nor the text encoder
    config["trainer"]["max_steps"] = 3
    resumed = Editor.from_pretrained(train(config, tmp_path / "run", resume=last)).transformer.state_dict()
    assert all(torch.equal(bare(resumed)[name], value) for name, value in base.items())
    assert not all(torch.equal(resumed[name], both[name]) for name in both)


def test_all_weights_learn_from_an_editor_with_an_adapter(tiny_bundle: Path, tmp_path: Path) -> None:
    adapted = train(recipe(tiny_bundle, tmp_path / "cache", max_steps=1), tmp_path / "run")
    config = recipe(adapted, tmp_path / "cache", {"rank": 0}, max_steps=1)
    config["model"]["optimizer"]["lr"] = 0.1
    before, after = (weights(path) for path in (tiny_bundle, train(config, tmp_path / "all")))
    assert before.keys() == after.keys()
    learnt = [name for name in after if not torch.equal(before[name], after[name])]
    assert not all("attn" in name for name in learnt) and len(learnt) > len(after) / 2


def test_adapters_beside_weights_that_start_fresh_are_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    """They alone learn: the source, which enters by a projection made from nothing, would never be seen."""
    transformer = Editor.from_pretrained(tiny_bundle).transformer.config.to_dict()
    del transformer["_class_name"]
    text_encoder = composed("train", "experiment=tiny_base")["model"]["text_encoder"]
    text_encoder |= {"hidden_size": TEXT_WIDTH, "projection_dim": POOLED_WIDTH}
    shutil.copytree(tiny_bundle / "vqvae", tmp_path / "codec" / "vqvae")
    plain = recipe(tiny_bundle, tmp_path / "cache")["model"]
    starting_parts(str(tiny_bundle), Model.model_validate(plain))
    for start, changes, fresh in (
        (tiny_bundle, {"attention_injection": False}, "reference_projection"),
        (tiny_bundle, {"transformer": transformer | {"connector_type": "linear"}}, "connector"),
        (
            tmp_path / "codec",
            {"transformer": transformer, "text_encoder": text_encoder, "train_text_encoder": True},
            "the transformer",
        ),
    ):
        said = f"model.lora.rank=2: adapters alone would learn, but not what starts fresh: {fresh}. Train all weights first"
        with pytest.raises(UserError, match=re.escape(said)):
            starting_parts(str(start), Model.model_validate(plain | changes))


def test_merged_on_request(tiny_bundle: Path, tmp_path: Path) -> None:
    config = recipe(tiny_bundle, tmp_path / "cache", {"merge": True})
    finished = train(config, tmp_path / "run")
    assert not (finished / "adapter").exists()
    before, after = (Editor.from_pretrained(d).transformer.state_dict() for d in (tiny_bundle, finished))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all("attn" in name and name.endswith("weight") for name in changed)


def test_checkpointing_and_accumulation_train(tiny_bundle: Path, tmp_path: Path) -> None:
    """Checkpointing changes nothing; two batches a step read twice the samples, each under masks of its own."""
    learnt = []
    for checkpointing in (False, True):
        config = recipe(tiny_bundle, tmp_path / "cache", accumulate_grad_batches=2, max_steps=1)
        config["model"]["gradient_checkpointing"] = checkpointing
        finished = train(config, tmp_path / f"run{checkpointing}")
        learnt.append(Editor.from_pretrained(finished).transformer.state_dict())
    assert all(torch.equal(learnt[0][name], learnt[1][name]) for name in learnt[0])


def test_a_reference_adapter_is_not_trained_upon(tiny_bundle: Path, tmp_path: Path) -> None:
    config = recipe(tiny_bundle, tmp_path / "cache", {"stream": "reference"}, max_steps=1)
    finished = train(config, tmp_path / "run")
    with pytest.raises(UserError, match="cannot be merged"):
        train(config | {"init_from": str(finished)}, tmp_path / "again")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model.lora.rank=4", "model.lora.stream=references"], "must be one of all, reference."),
        (["model.lora.rank=-1"], "model.lora.rank=-1 must be at least 0."),
        (
            ["model.lora.rank=4", "model.lora.stream=reference", "model.lora.merge=true"],
            "would change the function",
        ),
        (
            ["model.lora.rank=4", "model.lora.stream=reference", "model.attention_injection=false"],
            "needs a reference in the attention",
        ),
        (["trainer.accumulate_grad_batches=0"], "trainer.accumulate_grad_batches=0 must be at least 1."),
    ],
)
def test_recipes_that_cannot_be(overrides: list[str], said: str) -> None:
    [line] = schema.problems(composed("train", *overrides))
    assert said in line


def test_eight_bits_need_bitsandbytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)  # as where it is not installed
    overrides = (
        "model.eight_bit_optimizer=true",
        "model.optimizer._target_=torch.optim.SGD",
        "~model.optimizer.betas",  # of which it has none
    )
    missing, kind = schema.problems(composed("train", *overrides))
    assert missing == (
        "model.eight_bit_optimizer=true needs bitsandbytes, which is not installed: pip install bitsandbytes"
    )
    assert "model.optimizer._target_=torch.optim.SGD must be torch.optim.AdamW" in kind


@pytest.mark.parametrize(("stage", "steps"), [(1, 5000), (2, 50000), (3, 1000)])
def test_the_stages_are_the_published_ones(stage: int, steps: int) -> None:
    config = composed("train", f"experiment=editmgt_stage{stage}")
    trainer, model = config["trainer"], config["model"]
    assert trainer["max_steps"] == steps and trainer["gradient_clip_val"] == 10
    assert config["data"]["batch_size"] * trainer["accumulate_grad_batches"] == 4 * 8 * 8
    assert model["optimizer"]["lr"] == 1e-4 and model["warmup_steps"] == model["decay_fraction"] == 0
    assert model["kind"] == ("base" if stage == 1 else "editor") and not model["train_text_encoder"]
    assert config["name"] == f"editmgt_stage{stage}"
    for data in ("crispedit", "instructpix2pix", "mix"):
        assert (
            composed("train", f"experiment=editmgt_stage{stage}", f"data={data}")["benchmark"]["name"]
            == "scenes"
        )
