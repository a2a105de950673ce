"""Pydantic's errors as lines that name the key, the value and the nearest valid choice."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from editmgt.errors import nearest

_PATTERNS = {
    "max_time": "must be days:hours:minutes:seconds, such as 00:00:05:00.",
    "endpoint": "must begin with http:// or https://.",
    "shard": "must be written i/n, such as 0/4.",
}


def mistakes(schema: type[BaseModel], values: Any, parent: str = "") -> list[str]:
    """Return what is wrong with ``values``, which lie at the key ``parent``, by their types and ranges alone."""
    try:
        schema.model_validate(values)
    except ValidationError as error:
        return list(dict.fromkeys(_line(schema, dict(entry), parent) for entry in error.errors()))
    return []


def show(value: Any) -> str:
    """Return a value as it is written on a command line."""
    if isinstance(value, list):
        return f"[{','.join(map(show, value))}]"
    if value is None or isinstance(value, bool):
        return {True: "true", False: "false", None: "null"}[value]
    return str(value)


def _line(schema: type[BaseModel], entry: dict[str, Any], parent: str) -> str:
    """One pydantic error as one line."""
    # pydantic names the branch of a union as if it were a key
    branch = re.compile(r"[\[(]|^constrained|^(int|float|str|bool|list|dict)$")
    loc = [part for part in entry["loc"] if not (isinstance(part, str) and branch.search(part))]
    key = ".".join(filter(None, [parent, *map(str, loc)]))
    kind, value = entry["type"], entry["input"]
    context = entry.get("ctx", {})
    if kind == "extra_forbidden":
        return f"Unknown key '{key}'.{_sibling(schema, loc)}"
    if kind == "missing":
        return f"{key} is missing: it was deleted, or a file of conf/ lacks it."
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", str(context["expected"]))
        rule = f"must be one of {', '.join(choices)}.{nearest(value, choices)}"
    elif kind.startswith("bool"):
        rule = f"must be true or false.{nearest(value, ('true', 'false'))}"
    elif kind.startswith("int"):
        rule = "must be a whole number."
    elif kind.startswith("float"):
        rule = "must be a number."
    elif kind == "string_pattern_mismatch" or (kind == "string_type" and key.endswith(tuple(_PATTERNS))):
        rule = next(
            (rule for ending, rule in _PATTERNS.items() if key.endswith(ending)),
            "must be letters, digits, '.', '_' or '-'.",
        )
    elif kind in ("greater_than_equal", "less_than_equal"):
        word, bound = ("at least", "ge") if kind.startswith("greater") else ("at most", "le")
        rule = f"must be {word} {context[bound]:g}."
    else:
        rule = f"is not valid: {str(entry['msg'])[0].lower()}{str(entry['msg'])[1:]}."
    return f"{key}={show(value)} {rule}"


def _sibling(schema: type[BaseModel], loc: list[Any]) -> str:
    """The nearest key beside an unknown one."""
    models: list[Any] = [schema]
    for part in loc[:-1]:
        fields = [model.model_fields[part].annotation for model in models if part in model.model_fields]
        models = list(_models(fields)) or models  # a name that is free, as a dataset's, is no field
    return nearest(loc[-1], sorted({name for model in models for name in model.model_fields}))


def _models(annotations: Iterable[Any]) -> Iterator[Any]:
    """The models inside annotations such as ``A | B | None``, ``Annotated[A, ...]`` or ``dict[str, A]``."""
    for annotation in annotations:
        if hasattr(annotation, "model_fields"):
            yield annotation
        else:
            yield from _models(get_args(annotation))
