#!/usr/bin/env bash
# pydantic 2.14.4: a validator that raises the ValidationError of another model adds that model's errors to its own.
#
# The documentation says that validation code should not raise ValidationError but ValueError, so one expects the inner error to
# come out as one `value_error` with the inner report as its text (ValidationError is a ValueError), or to replace the outer one.
# Instead each inner error is kept as it was, with its own type, and its place is put below the field: a field whose model
# is known only at run time (a schema for each protocol of a benchmark) reports as if it had been annotated with it. What is
# lost is the inner model's name, and the outer model's strictness, which the inner call never hears of.
#
# Seen (pydantic 2.14.4, Python 3.11):
#   ('benchmark', 'size') int_parsing
#   ('benchmark', 'path') missing
#   ('seed',) int_type
#   title: Outer
# The outer model is strict and says so of its own field (int_type); the inner one was asked by itself, laxly (int_parsing).
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet "pydantic==2.14.4"
venv/bin/python - <<'PY' | tee seen
from typing import Annotated

from pydantic import BaseModel, ConfigDict, ValidationError, WrapValidator


class Inner(BaseModel):
    size: int
    path: str


class Outer(BaseModel):
    model_config = ConfigDict(strict=True)
    benchmark: Annotated[Inner, WrapValidator(lambda values, handler: Inner.model_validate(values))]
    seed: int


try:
    Outer.model_validate({"benchmark": {"size": "many"}, "seed": "0"})
except ValidationError as error:
    for entry in error.errors():
        print(entry["loc"], entry["type"])
    print("title:", error.title)
PY
diff seen - <<'SEEN'
('benchmark', 'size') int_parsing
('benchmark', 'path') missing
('seed',) int_type
title: Outer
SEEN
