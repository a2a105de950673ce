"""What is asked of the machine and the data before any work, of every cell."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from editmgt.config.schema import Config, Dataset, Edits, Evaluate, Scenes, Train
from editmgt.errors import UserError, gathered, tell

Checked = TypeVar("Checked")


def each(
    configs: Iterable[Checked], name: Callable[[Checked], str], check: Callable[[Checked], object]
) -> None:
    """Check every cell and tell all mistakes together, each with the setting that it is of."""
    mistakes: list[str] = []
    for config in configs:
        found: list[str] = []
        with gathered(found):
            check(config)
        mistakes += [text if text.startswith(name(config)) else f"{name(config)}: {text}" for text in found]
    tell(mistakes)


def distinct(configs: Iterable[Checked], part: Callable[[Checked], Any]) -> list[Checked]:
    """Return the first configuration of those that are equal in a ``part``."""
    found: list[Checked] = []
    for config in configs:
        if all(part(config) != part(other) for other in found):
            found.append(config)
    return found


def trains(configs: Iterable[Config]) -> list[Train]:
    """Return those that train."""
    return [config for config in configs if isinstance(config, Train)]


def untrained(configs: Iterable[Train]) -> list[Train]:
    """Return those whose training is not finished: only it needs its data and a device to train on."""
    from editmgt.stores.identity import training_directory
    from editmgt.stores.trainings import state

    return [config for config in configs if state(training_directory(config, Path())) != "finished"]


def check_machine(configs: Sequence[Config]) -> None:
    """Raise a ``UserError`` for accelerators, devices and strategies that this machine does not have."""
    from editmgt.devices import check_accelerator, check_strategy, find_device

    judged = [config for config in configs if isinstance(config, Evaluate)]
    each(distinct(judged, lambda c: c.device), lambda c: "device=", lambda c: find_device("device", c.device))

    def check(config: Train) -> None:
        trainer = config.trainer
        devices = int(trainer.devices)  # settled
        check_accelerator(trainer.accelerator, devices, trainer.precision)
        check_strategy(trainer.accelerator, devices, trainer.strategy)

    each(distinct(trains(configs), lambda c: c.trainer), lambda c: "trainer.", check)


def check_data(learnt_from: Iterable[tuple[Scenes | Edits, str]]) -> None:
    """Raise a ``UserError`` for data sets that cannot be opened, a line each; nothing of one is copied.

    ``learnt_from`` is data, with the kind of model that learns from it.
    """

    def check(learnt: tuple[Edits, str]) -> None:
        from editmgt.data.edit_data import open_all  # late: datasets takes a second
        from editmgt.data.sources import split_names

        data, kind = learnt
        with TemporaryDirectory() as temporary:
            # the user's cache where there is one, which may be all that is at hand without a network; it is not made
            # before all is known to be right
            cache = data.cache_dir if Path(data.cache_dir).is_dir() else temporary

            def opened(name: str, dataset: Dataset) -> Callable[[], object]:
                # a stream has no parts of splits such as a[:10%]: a copy's splits are tried one by one
                splits = [dataset.split] if data.streaming else split_names(dataset.split)
                alone = [{name: dataset.model_copy(update={"split": split})} for split in splits]
                asked = {"streaming": True, "cache_dir": cache}
                return lambda: [
                    open_all(data.model_copy(update=asked | {"datasets": one}), kind) for one in alone
                ]

            together(*(opened(name, dataset) for name, dataset in data.datasets.items()))

    pairs = [(data, kind) for data, kind in learnt_from if isinstance(data, Edits)]
    each(distinct(pairs, lambda pair: pair[0]), lambda pair: "data.datasets.", check)


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
