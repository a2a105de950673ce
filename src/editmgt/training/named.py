"""What is wrong with the arguments that a configuration gives to a class, found by constructing one."""

import inspect
from collections.abc import Callable
from types import NoneType
from typing import Any, get_args

from editmgt.errors import first_line, nearest
from editmgt.settings.mistakes import show

_VARIADIC = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)


def argument_problems(
    key: str, made: type, arguments: dict[str, Any], use: Callable[..., object]
) -> list[str]:
    """Return a line for every argument, of those at ``key`` in the configuration, that ``made`` does not have or refuses.

    ``use`` makes one of the class with arguments, and tries it; whatever it raises is what is wrong with them.
    """
    parameters = inspect.signature(made).parameters
    known = [name for name, p in parameters.items() if p.kind not in _VARIADIC and name != "params"]
    needed = [name for name in known if parameters[name].default is inspect.Parameter.empty]
    found = [
        f"{key}.{name} is missing: {made.__name__} needs it." for name in needed if name not in arguments
    ]
    for name, value in arguments.items():
        if name in known:
            rule = _kind_rule(parameters[name], value)
            found += [f"{key}.{name}={show(value)} {rule}"] if rule else []
        else:
            found.append(
                f"{key}.{name}={show(value)}: {made.__name__} has no argument '{name}'.{nearest(name, known)} "
                f"To leave it out write '~{key}.{name}'."
            )
    if found or (together := _reason(use, arguments)) is None:
        return found
    least = {name: arguments[name] for name in needed}
    for name, value in arguments.items():  # what fails without the others is to blame
        if (alone := _reason(use, least | {name: value})) is not None:
            found.append(f"{key}.{name}={show(value)} is refused by {made.__name__}: {alone}")
    return found or [f"{key}: {made.__name__} refuses these values together: {together}"]


def _kind_rule(parameter: inspect.Parameter, value: Any) -> str:
    """What is wrong with a value by the kind of the default; Python itself takes any word for true."""
    kinds = {parameter.annotation, *get_args(parameter.annotation)}
    default = parameter.default
    if value is None and (default is None or NoneType in kinds):
        return ""
    if bool in kinds and kinds <= {bool, NoneType, parameter.annotation}:
        return "" if isinstance(value, bool) else f"must be true or false.{nearest(value, ('true', 'false'))}"
    if _is_number(default) and not _is_number(value):
        return "must be a number."
    if isinstance(default, tuple):
        pairs = zip(value, default, strict=False) if isinstance(value, list) else ()
        fitting = [_is_number(one) or (one is None and other is None) for one, other in pairs]
        if fitting != [True] * len(default) or len(value) != len(default):
            return f"must be a list of {len(default)} numbers."
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _reason(use: Callable[..., object], arguments: dict[str, Any]) -> str | None:
    try:
        use(**arguments)
    except Exception as error:  # a class may raise anything over what it is given
        return first_line(error)
    return None
