"""Steps are steps of the optimiser: schedules, validations, what is shown of them, and a dev loss that batches do not change."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from small_training import configuration, recipe, train

from editmgt.config.schema import Scenes
from editmgt.data.scene_data import SceneData
from editmgt.data.scene_tokens import dev_batches
from editmgt.editing import Editor
from editmgt.training import LAST, step_lines
from editmgt.training import run as training_run
from editmgt.training.editor_module import EditorModule
from editmgt.training.masking import masks_of
from editmgt.training.schedule import warmup_then_decay


class Watch(Callback):
    """Notes each step's learning rates and after which steps the dev loss was measured."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.validated: list[int] = []

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self.rates += {group["lr"] for group in trainer.optimizers[0].param_groups}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.validated.append(trainer.global_step)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    monkeypatch.setattr(training_run, "chosen_callbacks", lambda nodes: [watch])
    return watch


def test_a_training_that_goes_on_longer_follows_the_longer_schedule(
    tiny_bundle: Path, tmp_path: Path, watch: Watch
) -> None:
    config = configuration(tiny_bundle, tmp_path / "cache", max_steps=8)
    train(config, tmp_path / "whole")
    whole = watch.rates.copy()
    watch.rates.clear()
    config["trainer"]["max_steps"] = 4
    train(config, tmp_path / "first")
    config["trainer"]["max_steps"] = 8
    train(config, tmp_path / "second", resume=tmp_path / "first" / LAST)
    assert watch.rates[4:] == whole[4:] == pytest.approx([0.003, 0.00225, 0.0015, 0.00075])
    watch.rates.clear()
    config["model"]["optimizer"]["lr"] = 0.03  # another plateau is another plateau, from the first step
    train(config, tmp_path / "third", resume=tmp_path / "first" / LAST)
    assert watch.rates == pytest.approx([10 * rate for rate in whole[4:]])


def test_what_is_configured_holds_whatever_a_checkpoint_has_beside_its_averages() -> None:
    def made(**values: float) -> tuple[torch.optim.AdamW, Any]:
        parts = warmup_then_decay(torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))], **values), 0, 10)
        return parts["optimizer"], parts["lr_scheduler"]["scheduler"]

    old, old_schedule = made(lr=1.0, weight_decay=0.5)
    for _ in range(4):
        old.step()
        old_schedule.step()
    new, schedule = made(lr=0.1, weight_decay=0.25)
    new.load_state_dict(old.state_dict())
    schedule.load_state_dict(old_schedule.state_dict())
    [group] = new.param_groups
    assert (group["lr"], group["weight_decay"]) == (pytest.approx(0.06), 0.25)
    assert schedule.get_last_lr() == [group["lr"]]


def test_a_training_that_the_clock_alone_ends_keeps_its_rate(
    tiny_bundle: Path, tmp_path: Path, watch: Watch
) -> None:
    config = configuration(tiny_bundle, tmp_path / "cache", max_steps=-1, max_time="00:00:00:03")
    train(config, tmp_path / "run")
    assert watch.rates[:4] == [0.0015, *[0.003] * (len(watch.rates[:4]) - 1)]


@pytest.mark.parametrize(("every", "validated"), [(2, [2, 4]), (None, [])])
def test_the_dev_loss_is_measured_every_so_many_steps_however_many_batches_a_step_has(
    tiny_bundle: Path, tmp_path: Path, watch: Watch, every: int | None, validated: list[int]
) -> None:
    config = configuration(
        tiny_bundle, tmp_path / "cache", max_steps=4, accumulate_grad_batches=3, val_check_interval=every
    )
    train(config, tmp_path / "run")
    assert watch.validated == validated


def test_the_bar_counts_steps_of_the_whole_training(
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With several batches a step, and after a resume."""
    config = configuration(tiny_bundle, tmp_path / "cache", max_steps=2, accumulate_grad_batches=2)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    train(config, tmp_path / "run")
    assert "2/2" in capsys.readouterr().out
    config["trainer"]["max_steps"] = 4
    train(config, tmp_path / "run", resume=tmp_path / "run" / LAST)
    shown = capsys.readouterr().out
    assert re.findall(r"(\d+)/(\d+)", shown)[-1] == ("4", "4"), shown


def test_a_log_is_told_how_far_the_training_is(
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In lines and without a bar, while it gets ready and while it trains."""
    monkeypatch.setattr(step_lines, "PAUSE", 0.02)
    config = configuration(tiny_bundle, tmp_path / "cache", max_steps=6, accumulate_grad_batches=2)
    train(config, tmp_path / "run")
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("training")]
    assert said[0] in ("training: step 0, preparing the data", "training: step 0, measuring the dev loss")
    told = re.fullmatch(
        r"training: step (\d) of 6, loss (\d\.\d{3}), [\d.e+-]+ steps/s, under a minute left", said[-1]
    )
    assert told, said
    assert 2 < float(told[2]) < 5  # of a batch; Lightning hands out its part of the step


class Curves(Logger):
    """Keeps the last value of everything that is logged."""

    name, version = "curves", ""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, float] = {}

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.values |= metrics

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        pass


def test_the_dev_loss_does_not_depend_on_batches_or_processes(tiny_editor: Editor, tmp_path: Path) -> None:
    module = EditorModule(
        tiny_editor.transformer.eval(),
        tiny_editor.text_encoder,
        lambda groups: torch.optim.SGD(groups, lr=0.1),
        pixels_per_code=tiny_editor.codec.downsampling,
        recipe=recipe(),
    )

    def loss(batches: list[dict[str, torch.Tensor]]) -> tuple[float, int]:
        with torch.no_grad():
            loss, hidden = torch.stack([module.dev_sums(batch) for batch in batches]).sum(0)
        return float(loss / hidden), int(hidden)

    small = configuration(tmp_path, tmp_path)["data"]

    def dev(batch_size: int, rank: int = 0, world_size: int = 1) -> list[dict[str, torch.Tensor]]:
        data = Scenes.model_validate(small | {"batch_size": batch_size})
        made = SceneData("editor", tiny_editor.codec, tiny_editor.text_encoder, data)
        return made.dev_batches(rank, world_size)

    whole = loss(dev(256))
    for batch_size in (7, 100, 300):
        found = loss(dev(batch_size))
        assert found[1] == whole[1] and found[0] == pytest.approx(whole[0], rel=1e-5)
    parts = [dev(51, rank, 3) for rank in range(3)]  # the last batch holds one sample: two of them have none
    assert len({len(part) for part in parts}) == 1
    found = loss([batch for part in parts for batch in part])
    assert found[1] == whole[1] and found[0] == pytest.approx(whole[0], rel=1e-5)


def test_the_dev_loss_of_a_training_is_that_of_its_tokens(tiny_bundle: Path, tmp_path: Path) -> None:
    """What Lightning makes of the batches, whatever their size."""
    found = []
    for batch_size in (8, 96):
        config = configuration(tiny_bundle, tmp_path / "cache", max_steps=1, val_check_interval=1)
        config["data"]["batch_size"], config["model"]["optimizer"]["lr"] = batch_size, 0.0
        curves = Curves()
        train(config, tmp_path / str(batch_size), logger=curves)
        found.append(curves.values["dev/loss"])
    assert found[0] == pytest.approx(found[1], rel=1e-5)


@pytest.mark.parametrize("size", [1, 5, 8])
@pytest.mark.parametrize("batch_size", [2, 3, 8])
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_every_dev_sample_comes_once(size: int, batch_size: int, world_size: int) -> None:
    tensors = {"target_tokens": torch.arange(size)[:, None]}
    parts = [dev_batches(tensors, batch_size, rank, world_size) for rank in range(world_size)]
    for batches in zip(*parts, strict=True):
        assert len({len(batch["sample"]) for batch in batches}) == 1
    counted = [
        int(sample)
        for part in parts
        for batch in part
        for sample, row, counts in zip(
            batch["sample"], batch["target_tokens"].flatten(), batch["counted"], strict=True
        )
        if counts and sample == row
    ]
    assert sorted(counted) == list(range(size))


def test_a_samples_mask_is_its_own() -> None:
    masks, ratios = masks_of(torch.tensor([3, 8, 3]), 64)
    assert torch.equal(masks[0], masks[2]) and not torch.equal(masks[0], masks[1])
    torch.testing.assert_close(masks.float().mean(1), ratios)
    assert torch.equal(masks_of(torch.tensor([8]), 64)[0][0], masks[1])
