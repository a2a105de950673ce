"""Classes that a configuration may name, each at its own key: a configuration is not a program."""

import re
from collections.abc import Iterator
from importlib import import_module
from math import isfinite
from typing import Any

from editmgt.errors import nearest
from editmgt.settings.mistakes import show

# Those that take weights of any shape, and dense gradients: not LBFGS, Muon and SparseAdam.
OPTIMIZERS = tuple(
    f"torch.optim.{name}"
    for name in (
        "Adadelta",
        "Adafactor",
        "Adagrad",
        "Adam",
        "Adamax",
        "AdamW",
        "ASGD",
        "NAdam",
        "RAdam",
        "RMSprop",
        "Rprop",
        "SGD",
    )
)
# Those that plain values set up, and that change neither the order of samples nor the model's layers.
CALLBACKS = tuple(
    f"lightning.pytorch.callbacks.{name}"
    for name in (
        "DeviceStatsMonitor",
        "EarlyStopping",
        "EMAWeightAveraging",
        "LearningRateMonitor",
        "ModelCheckpoint",
        "ModelSummary",
        "OnExceptionCheckpoint",
        "RichModelSummary",
        "Timer",
    )
)
TRANSFORMERS = ("editmgt.model.MGTransformer",)
_RESERVED = ("_target_", "_args_", "_partial_", "_convert_", "_recursive_")  # Hydra's
Path = tuple[str, ...]  # the names that lead to a value
# Where Hydra names classes itself, and which: its launchers, sweepers, what they draw with, and its handlers of logs.
_OF_HYDRA = tuple(
    (re.compile(place), re.compile(rule))
    for place, rule in (
        (
            r"(launcher|sweeper)\._target_",
            r"(hydra\._internal\.core_plugins|hydra_plugins)\.[\w.]+\.[A-Z]\w*",
        ),
        (r"sweeper\.sampler\._target_", r"optuna\.samplers\.[A-Z]\w*"),
        (r"callbacks\.\w+\._target_", r"hydra\.experimental\.callbacks\.[A-Z]\w*"),
        (r"(job|hydra)_logging\.handlers\.\w+\.class", r"logging\.(Stream|File|Null)Handler"),
        (r"(job|hydra)_logging\.formatters\.\w+\.\(\)", r"colorlog\.ColoredFormatter"),
    )
)


def target_problems(config: dict[str, Any]) -> list[str]:
    """Return a line for every class that may not be named where it is, at any depth, and every number without end."""
    callbacks, model = config.get("callbacks") or {}, config["model"]
    nodes: dict[Path, Any] = {("callbacks", str(name)): node for name, node in callbacks.items()}
    nodes |= {("model", name): model[name] for name in ("optimizer",) if name in model}
    allowed = {path: OPTIMIZERS if path == ("model", "optimizer") else CALLBACKS for path in nodes}
    found = [
        _refused((*path, "_target_"), None, allowed[path])
        for path, node in nodes.items()
        if not isinstance(node, dict) or "_target_" not in node
    ]
    return found + list(_walk(config, (), allowed | {("model", "transformer"): TRANSFORMERS}))


def hydra_problems(node: dict[str, Any]) -> list[str]:
    """Return a line for every class or function named in Hydra's own part of a configuration that is not of Hydra."""
    return [
        f"hydra.{'.'.join(path)}={show(value)} is not supported: a configuration is not a program."
        for path, value in _named_by_hydra(node, ())
        if not any(
            place.fullmatch(".".join(path)) and rule.fullmatch(str(value)) for place, rule in _OF_HYDRA
        )
    ]


def _named_by_hydra(node: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, value in items:
        here = (*path, str(name))
        if (
            name in ("_target_", "()")
            or (name == "class" and path[:1] in (("job_logging",), ("hydra_logging",)))
            or (here == ("sweeper", "custom_search_space") and value is not None)
        ):
            yield here, value
        else:
            yield from _named_by_hydra(value, here)


def class_and_arguments(node: dict[str, Any], allowed: tuple[str, ...]) -> tuple[Any, dict[str, Any]]:
    """Return the class that ``node`` names and the arguments that it gives.

    Raises:
        ValueError: the class is not one of ``allowed``; :func:`target_problems` says so to users.
    """
    target = node.get("_target_")
    if target not in allowed:
        raise ValueError(f"{target} is not one of {', '.join(allowed)}")
    module, _, name = str(target).rpartition(".")
    arguments = {key: value for key, value in node.items() if key not in _RESERVED}
    return getattr(import_module(module), name), arguments


def _walk(node: Any, path: Path, allowed: dict[Path, tuple[str, ...]]) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name not in _RESERVED:
                yield from _walk(value, (*path, str(name)), allowed)
            elif name == "_target_" and path in allowed:
                if value not in allowed[path]:
                    yield _refused((*path, name), value, allowed[path])
            elif not (name == "_partial_" and value is True and path == ("model", "optimizer")):
                yield (
                    f"{'.'.join((*path, name))}={show(value)}: only model.optimizer, model.transformer and the entries "
                    "of callbacks name a class, each its own, with arguments that are plain values."
                )
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _walk(value, (*path, str(index)), allowed)
    elif isinstance(node, float) and not isfinite(node):
        yield f"{'.'.join(path)}={show(node)} must be a finite number."


def _refused(path: Path, value: Any, choices: tuple[str, ...]) -> str:
    return f"{'.'.join(path)}={show(value)} must be one of {', '.join(choices)}.{nearest(value, choices)}"
