"""What is asked of the machine and the data before any work, of every cell."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from editmgt.errors import UserError, gathered, tell

Config = dict[str, Any]


def each(configs: Iterable[Config], name: Callable[[Config], str], check: Callable[[Config], object]) -> None:
    """Check every cell and tell all mistakes together, each with the setting that it is of."""
    mistakes: list[str] = []
    for config in configs:
        found: list[str] = []
        with gathered(found):
            check(config)
        mistakes += [text if text.startswith(name(config)) else f"{name(config)}: {text}" for text in found]
    tell(mistakes)


def distinct(configs: Iterable[Config], *keys: str) -> list[Config]:
    """Return the first configuration of those that are equal in ``keys``."""
    return [
        *{json.dumps([c[key] for key in keys], sort_keys=True): c for c in reversed([*configs])}.values()
    ][::-1]


def untrained(configs: Iterable[Config]) -> list[Config]:
    """Return those whose training is not finished: only it needs its data and a device to train on."""
    from editmgt.stores.identity import training_directory
    from editmgt.stores.trainings import state

    return [config for config in configs if state(training_directory(config, Path())) != "finished"]


def check_machine(configs: Iterable[Config]) -> None:
    """Raise a ``UserError`` for accelerators, devices and strategies that this machine does not have."""
    from editmgt.devices import check_accelerator, check_strategy, find_device

    configs = [*configs]
    if configs and configs[0]["task"] == "evaluate":
        each(distinct(configs, "device"), lambda c: "device=", lambda c: find_device("device", c["device"]))
        return

    def check(config: Config) -> None:
        trainer = config["trainer"]
        check_accelerator(trainer["accelerator"], trainer["devices"])
        check_strategy(trainer["accelerator"], trainer["devices"], trainer["strategy"])

    each(distinct(configs, "trainer"), lambda c: "trainer.", check)


def check_data(configs: Iterable[Config]) -> None:
    """Raise a ``UserError`` for data sets that cannot be opened, a line each; nothing of one is copied."""

    def check(config: Config) -> None:
        from editmgt.config.schema import Edits
        from editmgt.data.edit_data import open_all  # late: it imports Lightning
        from editmgt.data.sources import split_names

        data = config["data"]
        with TemporaryDirectory() as temporary:
            # the user's cache where there is one, which may be all that is at hand without a network; it is not made
            # before all is known to be right
            cache = data["cache_dir"] if Path(data["cache_dir"]).is_dir() else temporary
            asked = data | {"streaming": True, "cache_dir": cache}

            def opened(name: str, spec: Config) -> Callable[[], object]:
                # a stream has no parts of splits such as a[:10%]: a copy's splits are tried one by one
                splits = [spec["split"]] if data["streaming"] else split_names(spec["split"])
                alone = [asked | {"datasets": {name: spec | {"split": split}}} for split in splits]
                return lambda: [open_all(Edits.model_validate(one), config["model"]["kind"]) for one in alone]

            together(*(opened(name, spec) for name, spec in data["datasets"].items()))

    each(distinct((c for c in configs if "datasets" in c["data"]), "data"), lambda c: "data.datasets.", check)


def check_resolution(resolution: int | None, multiple: int) -> None:
    """Raise a ``UserError`` for a ``model.resolution`` that is not whole codes and cells of ``multiple`` pixels."""
    if resolution is not None and resolution % multiple:
        near = max(1, round(resolution / multiple)) * multiple
        raise UserError(
            f"model.resolution={resolution} must be a multiple of the model's {multiple} pixels, such as {near}."
        )


def together(*checks: Callable[[], object]) -> None:
    """Run all checks and raise one ``UserError`` of what they found."""
    mistakes: list[str] = []
    for check in checks:
        with gathered(mistakes):
            check()
    tell(mistakes)
