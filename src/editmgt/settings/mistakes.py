"""Pydantic's errors as lines that name the key, the value and the nearest valid choice."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from editmgt.errors import nearest

_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
}
_KINDS = {
    "int": "must be a whole number.",
    "finite_number": "must be a finite number.",
    "float": "must be a number.",
    "string_too_short": "must not be empty.",
    "string": "must be a text.",
    "list": "must be a list, as in [1,2].",
    "dict": "must be a group of keys.",
    "model": "must be a group of keys.",
}
_PATTERNS = {
    "max_time": "must be days:hours:minutes:seconds, such as 00:00:05:00.",
    "project": r"must be the name of a W&B project, without / \ # ? % and :.",
    "endpoint": "must begin with http:// or https://.",
    "shard": "must be written i/n, such as 0/4.",
    "name": "must be letters, digits, '.', '_' or '-'.",
}


def mistakes(
    schema: type[BaseModel], values: Any, parent: str = "", called: Callable[[str], str] = str
) -> list[str]:
    """Return what is wrong with ``values``, which lie at the key ``parent``, by their types and ranges alone.

    ``called`` says how the user calls a key.
    """
    try:
        schema.model_validate(values)
    except ValidationError as error:
        rules: dict[str, list[str]] = {}  # of one value several, where it may be of several kinds
        for entry in error.errors():
            told, rule = _told(schema, dict(entry), parent, called)
            rules.setdefault(told, []).append(rule)
        return [f"{told} {' Or it '.join(dict.fromkeys(found))}".rstrip() for told, found in rules.items()]
    return []


def show(value: Any) -> str:
    """Return a value as it is written on a command line."""
    if isinstance(value, list | tuple):
        return f"[{','.join(map(show, value))}]"
    if value is None or isinstance(value, bool):
        return {True: "true", False: "false", None: "null"}[value]
    text = str(value)
    return text if text.isprintable() else repr(text)  # a message is one line


def _told(
    schema: type[BaseModel], entry: dict[str, Any], parent: str, called: Callable[[str], str]
) -> tuple[str, str]:
    """One pydantic error as what is wrong and the rule that it breaks."""
    # pydantic names the branch of a union as if it were a key
    branch = re.compile(r"[\[(]|^constrained|^(int|float|str|bool|list|dict)$")
    loc = [part for part in entry["loc"] if not (isinstance(part, str) and branch.search(part))]
    first, *rest = filter(None, [parent, *map(str, loc)])
    key = ".".join([called(first), *rest])
    kind, value = entry["type"], entry["input"]
    if kind == "extra_forbidden":
        return f"Unknown key '{key}'.{_sibling(schema, loc)}", ""
    if kind == "missing":
        return f"{key} is missing: it was deleted, or a file of conf/ lacks it.", ""
    rule = _rule(key, kind, value, entry)
    # as Python writes it, and so a W&B agent (findings/wandb_sweep_values_for_hydra.sh)
    return f"{key}={show(value)}", f"{rule} None is written null." if value == "None" and _nullable(
        schema, loc
    ) else rule


def _rule(key: str, kind: str, value: Any, entry: dict[str, Any]) -> str:
    context = entry.get("ctx", {})
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", str(context["expected"]))
        return f"must be one of {', '.join(choices)}.{nearest(value, choices)}"
    if kind.startswith("bool"):
        return f"must be true or false.{nearest(value, ('true', 'false'))}"
    if kind == "string_pattern_mismatch" or (kind == "string_type" and key.endswith(tuple(_PATTERNS))):
        return next((rule for ending, rule in _PATTERNS.items() if key.endswith(ending)), _PATTERNS["name"])
    if kind in ("too_short", "too_long"):
        word, bound = ("at least", "min_length") if kind == "too_short" else ("at most", "max_length")
        return (
            f"must have {word} {context[bound]} entries."
            if context[bound] != 1
            else f"must have {word} one entry."
        )
    if kind in _BOUNDS:
        word, bound = _BOUNDS[kind]
        return f"must be {word} {context[bound]:g}."
    if kind in ("limit", "rising"):
        return f"{entry['msg']}."
    named = next((rule for beginning, rule in _KINDS.items() if kind.startswith(beginning)), None)
    return named or f"is not valid: {str(entry['msg'])[0].lower()}{str(entry['msg'])[1:]}."


def _sibling(schema: type[BaseModel], loc: list[Any]) -> str:
    """The nearest key beside an unknown one."""
    return nearest(loc[-1], sorted({name for model in _holders(schema, loc) for name in model.model_fields}))


def _nullable(schema: type[BaseModel], loc: list[Any]) -> bool:
    fields = [model.model_fields.get(loc[-1]) for model in _holders(schema, loc)]
    return any(type(None) in get_args(field.annotation) for field in fields if field is not None)


def _holders(schema: type[BaseModel], loc: list[Any]) -> list[Any]:
    """The models of which one has the last key of ``loc``."""
    models: list[Any] = [schema]
    for part in loc[:-1]:
        fields = [model.model_fields[part].annotation for model in models if part in model.model_fields]
        models = list(models_in(fields)) or models  # a name that is free, as a dataset's, is no field
    return models


def models_in(annotations: Iterable[Any]) -> Iterator[Any]:
    """Yield the models inside annotations such as ``A | B | None``, ``Annotated[A, ...]`` or ``dict[str, A]``."""
    for annotation in annotations:
        if hasattr(annotation, "model_fields"):
            yield annotation
        else:
            yield from models_in(get_args(annotation))
