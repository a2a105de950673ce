"""The Lightning callbacks that a configuration names."""

from typing import Any

from lightning.pytorch.callbacks import Callback

from editmgt.config.targets import CALLBACKS, class_and_arguments
from editmgt.training.named import argument_problems


def chosen_callbacks(nodes: dict[str, Any] | None) -> list[Callback]:
    """Return the callbacks of ``conf/callbacks``, in their order."""
    made = [class_and_arguments(node, CALLBACKS) for node in (nodes or {}).values()]
    return [callback(**arguments) for callback, arguments in made]


def callback_problems(nodes: dict[str, Any] | None) -> list[str]:
    """Return a line for every argument of a callback that its class does not have or refuses."""
    found = []
    for name, node in (nodes or {}).items():
        callback, arguments = class_and_arguments(node, CALLBACKS)
        found += argument_problems(f"callbacks.{name}", callback, arguments, callback)
    return found
