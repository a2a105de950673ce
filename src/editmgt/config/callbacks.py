"""Callbacks that cannot do in a training what they are for: it is one endless epoch, counted in steps."""

from typing import Any

from editmgt.config.schema import Edits, Train
from editmgt.errors import nearest
from editmgt.settings.mistakes import show

# What the Lightning modules log, and so what a callback can watch.
EDITOR_LOGS = ("train/loss", "dev/loss")
CODEC_LOGS = ("train/loss", "train/psnr", "train/used_codes", "dev/psnr")
DECODER_LOGS = ("train/psnr", "dev/psnr")
_NEED_A_LOGGER = ("DeviceStatsMonitor", "LearningRateMonitor")


def idle_callbacks(config: Train) -> list[str]:
    """Return a line for every callback that would do nothing, or something else than it says."""
    found = []
    for name, node in (config.callbacks or {}).items():
        key, kind = f"callbacks.{name}", node["_target_"].rpartition(".")[2]
        called = f"{key}={node['_target_']}"
        found += _watched(key, node, config)
        if kind in _NEED_A_LOGGER and config.logger.name == "none":
            found.append(
                f"{called} writes to a logger, and logger=none is none: logger=csv or logger=wandb is one."
            )
        elif kind == "EMAWeightAveraging":
            found += _untrained_mean(key, called, node, config)
        elif kind == "EarlyStopping":
            found += _never_stops(key, called, node, config)
        elif kind == "Timer":
            found += _second_clock(key, called, node, config)
    return found


def _watched(key: str, node: dict[str, Any], config: Train) -> list[str]:
    """A value to watch that is never there, or whose worse end would be taken for the better one."""
    watched = node.get("monitor")
    of_codec = CODEC_LOGS if config.init_from is None else DECODER_LOGS
    logged: tuple[str, ...] = of_codec if config.model.kind == "codec" else EDITOR_LOGS
    if watched is None:
        return []
    if watched in logged:
        better, mode = "min" if watched.endswith("/loss") else "max", node.get("mode", "min")
        if mode == better:
            return []
        return [f"{key}.mode={mode} would take the worst {watched} for the best: set {key}.mode={better}."]
    return [
        f"{key}.monitor={show(watched)} must be one of {', '.join(logged)}, which this training logs."
        f"{nearest(watched, logged)}"
    ]


def _untrained_mean(key: str, called: str, node: dict[str, Any], config: Train) -> list[str]:
    """A mean of weights that ends with others than the training's.

    Lightning counts steps from 0, averages at multiples of ``update_every_n_steps`` from ``update_starting_at_step`` on,
    the first time copies the weights, and ends with the mean as it then is, of the weights it began with where there was
    no such step (findings/lightning_averaging_reused.sh). Of a training that a clock ends the steps are not known.
    """
    if config.model.kind == "codec":
        return [
            f"{called} averages weights, and model.kind=codec has codes, of which a mean is none: leave it out."
        ]
    begin, every = node.get("update_starting_at_step"), node.get("update_every_n_steps", 1)
    found = []
    for name, value, least in (
        ("update_starting_at_step", begin or 0, 0),
        ("update_every_n_steps", every, 1),
    ):
        if not isinstance(value, int) or value < least:
            found.append(f"{key}.{name}={show(value)} must be a whole number of at least {least}.")
    if (epoch := node.get("update_starting_at_epoch")) is not None:
        found.append(
            f"{key}.update_starting_at_epoch={show(epoch)} counts epochs, and a training is one: "
            "update_starting_at_step counts steps."
        )
    if node.get("decay") == 1:
        found.append(f"{key}.decay={show(node['decay'])} must be less than 1: the mean would never move.")
    steps, begin = config.trainer.max_steps, begin or 0
    if found or steps < 1:
        return found
    averaged = range(-(-begin // every) * every, steps, every)
    if begin >= steps:
        key, choice = f"{key}.update_starting_at_step={begin}", f"At most {steps - 1} is in time."
    else:
        key, choice = f"{key}.update_every_n_steps={every}", "1 averages after every step."
    if not averaged:
        return [
            f"{key} averages at none of the trainer.max_steps={steps} steps (they count from 0): Lightning would put the "
            f"untrained weights in the place of the trained ones. {choice}"
        ]
    if len(averaged) == 1 and averaged[0] < steps - 1:
        return [
            f"{key} averages once in trainer.max_steps={steps}: the training would end with the weights of step "
            f"{averaged[0] + 1} alone. {choice}"
        ]
    return []


def _never_stops(key: str, called: str, node: dict[str, Any], config: Train) -> list[str]:
    """Early stopping looks after each measurement of the dev loss."""
    found = []
    if node.get("check_on_train_epoch_end"):
        found.append(
            f"{key}.check_on_train_epoch_end=true looks at the end of an epoch, and a training is one: leave it out."
        )
    if config.trainer.val_check_interval is None:
        found.append(
            f"{called} looks when the dev loss is measured, which trainer.val_check_interval=null never does: set its steps."
        )
    if config.model.kind == "codec" and isinstance(config.data, Edits):
        found.append(
            f"{called} looks when dev pictures are measured, and a codec has none of data={config.data.name}: leave it out."
        )
    return found


def _second_clock(key: str, called: str, node: dict[str, Any], config: Train) -> list[str]:
    """Lightning makes a timer of ``trainer.max_time`` where there is no other, and a timer may look after epochs alone."""
    if config.trainer.max_time is not None:
        return [f"{called} would replace trainer.max_time={config.trainer.max_time}: leave one of them out."]
    if node.get("interval", "step") == "epoch":
        return [
            f"{key}.interval=epoch looks after each epoch, and a training is one: interval=step looks in time."
        ]
    return []
