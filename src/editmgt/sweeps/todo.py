"""What a sweep still has to do, told before it starts, and older results that it must not be mixed with."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from editmgt.config import Config
from editmgt.config.keys import marked, without
from editmgt.config.schema import Evaluate, Train
from editmgt.errors import UserError
from editmgt.results import RunDirectory, readable
from editmgt.settings.declaration import Mark
from editmgt.stores import trainings
from editmgt.stores.identity import cell_settings, identify, training_directory
from editmgt.stores.stored_edits import layers_read
from editmgt.sweeps.changes import changes
from editmgt.sweeps.checks import trains
from editmgt.sweeps.compose import Composition
from editmgt.sweeps.plan import Plan
from editmgt.sweeps.status import is_done, status_of, was_cut_off


def check_old_results(plan: Plan, composition: Composition) -> None:
    """Refuse a directory whose finished cells were made by other settings, weights or code.

    Raises:
        UserError: naming the keys that changed.
    """
    found: dict[str, None] = {}
    old = 0
    for name, cell in zip(plan.cells, composition.cells, strict=True):
        directory = plan.cell_directory(name)
        fingerprints = identify(cell.config)
        status = status_of(directory)
        if status.get("state") != "done" or all(status.get(k) == v for k, v in fingerprints.items()):
            continue
        old += 1
        found |= dict.fromkeys(_changed_keys(directory, cell.config))
    if old:
        what = "; ".join(found) or "the code, or the weights that it starts from"
        raise UserError(
            f"{plan.directory} holds {_count(old, 'cell' if plan.is_sweep else 'run')} finished under other settings "
            f"({what}): {'give this sweep another name=...' if plan.is_sweep else 'name a new directory'}, or move "
            "that directory away."
        )


def _changed_keys(directory: Path, config: Config) -> list[str]:
    stored, harmless = readable(RunDirectory(directory).config), marked(Mark.RUNNING, Mark.PRESET)
    return changes(without(stored, harmless), without(config.model_dump(), harmless)) if stored else []


def shared_layers(composition: Composition) -> set[int]:
    """Return the blocks whose attention maps any of the cells reads."""
    edited = [cell.config for cell in composition.cells if cell.config.edits]
    return {layer for config in edited for layer in layers_read(cell_settings(config))}


def outlook(plan: Plan, composition: Composition) -> str:
    """Return the plan in words: how much work there is, then a line for every cell."""
    if composition.adaptive is not None:
        return f"Sweep {plan.directory}: {composition.adaptive} chooses the cells as it goes"
    configs = [cell.config for cell in composition.cells]
    parts = [_count(len(configs), "cell")]
    if plan.task == "train":
        parts.append(_trainings(plan, trains(configs)))
    if passes := {_pass(config) for config in configs if config.edits}:
        parts.append(_count(len(passes), "pass", "passes") + " of edits")
    lines = [f"  {_state(plan, name, config)}" for name, config in zip(plan.cells, configs, strict=True)]
    return "\n".join([f"Sweep {plan.directory}: {', '.join(parts)}", *lines])


def _trainings(plan: Plan, configs: Iterable[Train]) -> str:
    directories = {training_directory(config, plan.directory) for config in configs}
    counts = Counter(trainings.state(directory) for directory in directories)
    words = {"finished": "finished", "unfinished": "to continue", "corrupt": "corrupt, to train again"}
    told = ", ".join(f"{counts[key]} {text}" for key, text in words.items() if counts[key])
    return _count(len(directories), "training") + (f" ({told})" if told else "")


def _state(plan: Plan, name: str, config: Config) -> str:
    directory, fingerprints = plan.cell_directory(name), identify(config)
    if is_done(directory, fingerprints):
        return f"done      {name}"
    if was_cut_off(directory, fingerprints):
        return f"continue  {name}"
    status = status_of(directory)
    return f"retry     {name} ({status['error']})" if status.get("state") == "failed" else f"run       {name}"


def _pass(config: Config) -> str:
    """What makes a cell's edits, apart from the device."""
    weights = identify(config)["training_fingerprint"]
    dtype = config.dtype if isinstance(config, Evaluate) else None
    benchmark = config.benchmark.model_dump()
    return json.dumps([weights, dtype, cell_settings(config).of_pictures, config.edit_seed, benchmark])


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def cells_left(plan: Plan) -> list[str]:
    """Return the cells that are not done."""
    return [name for name in plan.cells if status_of(plan.cell_directory(name)).get("state") != "done"]
