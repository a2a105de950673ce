"""What a flow learns from: noise between a target and its source, drawn alike whatever the processes."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from small_training import configuration, recipe, train

from editmgt.editing import Editor
from editmgt.model.io import read_config
from editmgt.training import EDITOR, LAST
from editmgt.training.flow_module import FlowModule, draw_noise
from editmgt.training.parts import fresh_transformer


def flow_of(editor: Editor, **changes: Any) -> FlowModule:
    torch.manual_seed(0)
    transformer = fresh_transformer(asdict(editor.transformer.config), "attention", 4)
    return FlowModule(
        transformer,
        editor.text_encoder,
        lambda groups: torch.optim.SGD(groups, lr=0.1),
        editor.codec.downsampling,
        recipe(**changes),
        codebook_KC=editor.codec.codebook,
    )


def batch_of(editor: Editor, size: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    codes = editor.codec.codebook_size
    return {
        "target_tokens": torch.randint(codes, (size, 8, 8), generator=generator),
        "source_tokens": torch.randint(codes, (size, 8, 8), generator=generator),
        "input_ids": editor.text_encoder.tokenize(["remove the large star"] * size),
        "index": torch.arange(size),
        "global_size": torch.tensor(size),
        "sample": torch.arange(size),
        "counted": torch.ones(size, dtype=torch.bool),
    }


def part_of(batch: dict[str, torch.Tensor], rows: slice) -> dict[str, torch.Tensor]:
    return {name: value[rows] if value.ndim else value for name, value in batch.items()}


def test_before_training_the_loss_is_the_velocitys_own_size(tiny_editor: Editor) -> None:
    """The last layer starts at zero, so nothing is predicted."""
    module, batch = flow_of(tiny_editor), batch_of(tiny_editor, 4)
    noise_GHWC, _ = draw_noise(torch.Generator().manual_seed(0), 4, (8, 8, 4))
    velocity = noise_GHWC - tiny_editor.codec.codebook[batch["target_tokens"]]
    loss = module._loss(batch, torch.Generator().manual_seed(0)).detach()
    assert float(loss) == pytest.approx(float(velocity.square().mean()), rel=1e-5)


def test_processes_learn_from_the_noise_of_the_whole_batch(tiny_editor: Editor) -> None:
    module, batch = flow_of(tiny_editor), batch_of(tiny_editor, 4)
    for parameter in module.transformer.parameters():
        torch.nn.init.normal_(parameter, std=0.1)

    def loss(part: dict[str, torch.Tensor]) -> float:
        with torch.no_grad():
            return float(module._loss(part, torch.Generator().manual_seed(7)))

    parts = [loss(part_of(batch, slice(0, 2))), loss(part_of(batch, slice(2, 4)))]
    assert sum(parts) / 2 == pytest.approx(loss(batch), rel=1e-5)


def test_the_dev_loss_is_of_each_sample_by_itself(tiny_editor: Editor) -> None:
    module, batch = flow_of(tiny_editor), batch_of(tiny_editor, 4)
    for parameter in module.transformer.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    with torch.no_grad():
        whole = module.dev_sums(batch)
        parts = sum(module.dev_sums(part_of(batch, slice(row, row + 1))) for row in range(4))
        torch.testing.assert_close(whole, parts)
        batch["counted"][2:] = False
        assert module.dev_sums(batch)[1] == 2


def test_noise_levels_lie_between_nothing_and_all() -> None:
    noise, level = draw_noise(torch.Generator().manual_seed(0), 4000, (2, 2, 1))
    assert level.min() > 0 and level.max() < 1 and float(level.median()) == pytest.approx(0.5, abs=0.02)
    assert float(noise.std()) == pytest.approx(1, abs=0.02)


def test_a_flow_learns_from_a_masked_editors_trunk_and_goes_on(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configuration(tiny_bundle, tmp_path / "cache", max_steps=4, val_check_interval=2)
    config["model"]["paradigm"] = "flow"
    train(config, tmp_path / "whole")
    assert "Starting fresh: embed.linear_1.weight, embed.linear_2.weight, mlm_layer.linear_1.weight" in (
        capsys.readouterr().out
    )
    config["trainer"]["max_steps"] = 2
    train(config, tmp_path / "first")
    config["trainer"]["max_steps"] = 4
    train(config, tmp_path / "second", resume=tmp_path / "first" / LAST)
    whole, second = (Editor.from_pretrained(tmp_path / name / EDITOR) for name in ("whole", "second"))
    assert whole.paradigm == "flow" and whole.timestep_convention == "noise_level"
    for name, weight in whole.transformer.state_dict().items():
        assert torch.equal(weight, second.transformer.state_dict()[name]), name
    assert read_config(tmp_path / "whole" / EDITOR / "transformer")["latent_channels"] == 4


def test_a_flow_has_as_many_weights_as_the_editor_it_is_compared_with() -> None:
    """What learns, transformer and text encoder, within two percent, in the shipped size."""
    masked = Editor.from_pretrained("tiny_base")
    flow = fresh_transformer(asdict(masked.transformer.config), "attention", 16)

    def count(model: torch.nn.Module) -> int:
        return sum(parameter.numel() for parameter in model.parameters())

    text = count(masked.text_encoder)
    assert text + count(flow) == pytest.approx(text + count(masked.transformer), rel=0.02)
