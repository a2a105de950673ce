"""Callbacks that could not do in a training what they are for: told in one line, before any work."""

import re
from pathlib import Path

import pytest
from test_config import composed

from editmgt import training
from editmgt.config import problems
from editmgt.config.callbacks import CODEC_LOGS, DECODER_LOGS, EDITOR_LOGS

KIND = "lightning.pytorch.callbacks"
MEAN = ("callbacks=ema",)
STOP = (f"+callbacks.stop._target_={KIND}.EarlyStopping", "+callbacks.stop.monitor=dev/loss")
BEST = (f"+callbacks.best._target_={KIND}.ModelCheckpoint", "+callbacks.best.monitor=dev/loss")
TIMER = (f"+callbacks.clock._target_={KIND}.Timer", "+callbacks.clock.duration=00:00:10:00")


def told(*overrides: str) -> list[str]:
    return problems(composed("train", *overrides))


def mean(steps: int, **arguments: int | float | str) -> list[str]:
    given = (f"++callbacks.ema.{name}={value}" for name, value in arguments.items())
    return told(*MEAN, f"trainer.max_steps={steps}", *given)


@pytest.mark.parametrize(
    ("steps", "begin", "every"),
    [(200, 199, 1), (200, "null", 1), (5, 2, 2), (1, 0, 50), (51, 0, 50), (101, 60, 100), (-1, 500, 50)],
)
def test_a_mean_that_is_made(steps: int, begin: int | str, every: int) -> None:
    """Of one step alone where that is the last one; a training that a clock ends is not known."""
    clock = () if steps > 0 else ("trainer.max_time=00:00:05:00",)
    arguments = [f"++callbacks.ema.update_starting_at_step={begin}"]
    arguments += [f"++callbacks.ema.update_every_n_steps={every}", f"trainer.max_steps={steps}"]
    assert told(*MEAN, *arguments, *clock) == []


def test_a_mean_that_never_begins() -> None:
    """Lightning would put the untrained weights in the place of the trained ones."""
    [line] = mean(200, update_starting_at_step=200)
    assert line.startswith("callbacks.ema.update_starting_at_step=200 ") and "untrained weights" in line
    [line] = mean(4, update_starting_at_step=2, update_every_n_steps=50)
    assert line.startswith("callbacks.ema.update_every_n_steps=50 ") and "untrained weights" in line


def test_a_mean_of_one_early_step() -> None:
    """Lightning counts from 0, and 0 is a multiple of every number."""
    [line] = mean(4, update_every_n_steps=100)
    assert line.startswith("callbacks.ema.update_every_n_steps=100 ") and "weights of step 1 alone" in line
    [line] = mean(102, update_starting_at_step=60, update_every_n_steps=100)
    assert "weights of step 101 alone" in line


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("update_every_n_steps", 0, "must be a whole number of at least 1."),
        ("update_every_n_steps", 1.5, "must be a whole number of at least 1."),
        ("update_starting_at_step", -1, "must be a whole number of at least 0."),
        ("update_starting_at_step", "soon", "must be a whole number of at least 0."),
        ("update_starting_at_epoch", 1, "counts epochs"),
        ("decay", 1.0, "must be less than 1"),
    ],
)
def test_a_mean_is_counted_in_steps(name: str, value: float | str, rule: str) -> None:
    [line] = mean(200, **{name: value})
    assert line.startswith(f"callbacks.ema.{name}={value}") and rule in line


@pytest.mark.parametrize(
    "codec", [("experiment=tiny_codec",), ("experiment=tiny_codec_decoder", "init_from=tiny_base")]
)
def test_a_codec_has_no_mean(codec: tuple[str, ...]) -> None:
    """Codes of a codec lie on a sphere, a mean of them does not."""
    [line] = told(*codec, *MEAN)
    assert line.startswith(f"callbacks.ema={KIND}.EMAWeightAveraging ") and "model.kind=codec" in line


def test_stochastic_weight_averaging_is_not_offered() -> None:
    """It counts epochs, and a training is one endless epoch."""
    [line] = told(f"+callbacks.swa._target_={KIND}.StochasticWeightAveraging", "+callbacks.swa.swa_lrs=0.1")
    assert line.startswith(f"callbacks.swa._target_={KIND}.StochasticWeightAveraging must be one of ")


def test_what_can_be_watched_is_what_the_modules_log() -> None:
    directory = Path(training.__file__).parent
    for names, module in (
        (EDITOR_LOGS, "editor_module"),
        (CODEC_LOGS, "codec_module"),
        (DECODER_LOGS, "decoder"),
    ):
        logged = re.findall(r'"((?:train|dev)/\w+)"', (directory / f"{module}.py").read_text())
        assert {*names} == {*logged}


@pytest.mark.parametrize("watch", [STOP, BEST], ids=["stop", "best"])
def test_what_is_watched_is_logged(watch: tuple[str, ...]) -> None:
    name = watch[0].split(".")[1]
    assert told(*watch) == []
    [line] = told(*watch, f"callbacks.{name}.monitor=dev_loss")
    assert line == (
        f"callbacks.{name}.monitor=dev_loss must be one of train/loss, dev/loss, which this training logs. "
        "Did you mean 'dev/loss'?"
    )
    [line] = told("experiment=tiny_codec", *watch)
    assert "must be one of train/loss, train/psnr, train/used_codes, dev/psnr" in line
    [line] = told("experiment=tiny_codec_decoder", "init_from=tiny_base", *watch)
    assert "must be one of train/psnr, dev/psnr" in line


@pytest.mark.parametrize("watch", [STOP, BEST], ids=["stop", "best"])
def test_the_better_end_of_what_is_watched(watch: tuple[str, ...]) -> None:
    """Lightning's default is that less is better."""
    name = watch[0].split(".")[1]
    [line] = told(*watch, f"+callbacks.{name}.mode=max")
    assert line.startswith(f"callbacks.{name}.mode=max ") and line.endswith(f"set callbacks.{name}.mode=min.")
    psnr = ("experiment=tiny_codec", *watch, f"callbacks.{name}.monitor=dev/psnr")
    [line] = told(*psnr)
    assert line.startswith(f"callbacks.{name}.mode=min ") and line.endswith(f"set callbacks.{name}.mode=max.")
    assert told(*psnr, f"+callbacks.{name}.mode=max") == []


def test_early_stopping_looks_when_the_dev_loss_is_measured() -> None:
    [line] = told(*STOP, "trainer.val_check_interval=null")
    assert line.startswith("callbacks.stop=") and "trainer.val_check_interval=null" in line
    [line] = told(*STOP, "+callbacks.stop.check_on_train_epoch_end=true")
    assert line.startswith("callbacks.stop.check_on_train_epoch_end=true ")
    codec = ("model=tiny_codec", "init_from=null", "data=folder", "data.datasets.folder.path=.")
    psnr = ("callbacks.stop.monitor=dev/psnr", "+callbacks.stop.mode=max")
    [line] = told(*codec, "benchmark=scenes", *STOP, *psnr)
    assert line.startswith("callbacks.stop=") and "data=folder" in line


def test_one_clock_ends_a_training() -> None:
    assert told(*TIMER) == []
    [line] = told(*TIMER, "trainer.max_time=00:01:00:00")
    assert line.startswith(f"callbacks.clock={KIND}.Timer ") and "trainer.max_time=00:01:00:00" in line
    [line] = told(*TIMER, "+callbacks.clock.interval=epoch")
    assert line.startswith("callbacks.clock.interval=epoch ")
