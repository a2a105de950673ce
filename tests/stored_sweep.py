"""A sweep's directory as the engine leaves it, with scores that a test chooses."""

import csv
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from editmgt.files import write_json

COLUMNS = ("sample_id", "source_id", "edit_type", "slice", "instruction", "seed", "status", "error")
Score = Callable[[dict[str, Any], int, int], dict[str, float] | str | None]  # a text is a failure's


def write_sweep(
    directory: Path,
    factors: Mapping[str, Sequence[Any]],
    seeds: Sequence[int],
    score: Score,
    *,
    samples: int = 8,
    study: Mapping[str, Any] | None = None,
    per_source: int = 1,
) -> Path:
    """Write a cell for every combination; ``score(levels, seed, i)`` gives a sample's metrics, None: no row."""
    cells = {}
    for seed in seeds:
        for values in itertools.product(*factors.values()):
            levels = dict(zip(factors, values, strict=True))
            name = "__".join(
                f"{k.rsplit('.', 1)[-1]}-{str(v).lower()}" for k, v in [*levels.items(), ("seed", seed)]
            )
            cells[name] = [*(f"{key}={_literal(value)}" for key, value in levels.items()), f"seed={seed}"]
            write_cell(directory / name, levels, seed, score, samples, per_source)
    write_json(directory / "plan.json", {"task": "train", "cells": cells})
    if study is not None:
        (directory / "study.yaml").write_text(yaml.safe_dump(dict(study), sort_keys=False))
    return directory


def _literal(value: Any) -> Any:
    """A value as a command line has it."""
    return f"'{value}'" if isinstance(value, str) and not value.isidentifier() else value


def write_cell(
    directory: Path, levels: Mapping[str, Any], seed: int, score: Score, samples: int = 8, per_source: int = 1
) -> None:
    """Write one finished cell."""
    directory.mkdir(parents=True)
    config: dict[str, Any] = {"task": "train", "seed": seed, "model": {"name": "tiny", "kind": "editor"}}
    for key, value in levels.items():
        *groups, last = key.split(".")
        node = config
        for group in groups:
            node = node.setdefault(group, {})
        node[last] = value
    (directory / "config.yaml").write_text(yaml.safe_dump(config))
    rows = {i: found for i in range(samples) if (found := score(dict(levels), seed, i)) is not None}
    names = list(
        dict.fromkeys(name for values in rows.values() if not isinstance(values, str) for name in values)
    )
    with (directory / "samples.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*COLUMNS, *names])
        for i, values in rows.items():
            failed = values if isinstance(values, str) else ""
            numbers = {} if isinstance(values, str) else values
            kind = ("add", "color")[i % 2]
            identity = [
                f"s{i}",
                f"image{i // per_source}",
                kind,
                "",
                f"edit {i}",
                0,
                "failed" if failed else "ok",
                failed,
            ]
            writer.writerow(
                [*identity, *("" if np.isnan(v := numbers.get(n, np.nan)) else repr(float(v)) for n in names)]
            )
    ok = [values for values in rows.values() if not isinstance(values, str)]
    metrics: dict[str, float] = {"n": len(ok), "failed": len(rows) - len(ok)}
    for name in names:
        defined = [values[name] for values in ok if not np.isnan(values.get(name, np.nan))]
        if defined:
            metrics[name] = float(np.mean(defined))
    write_json(directory / "metrics.json", metrics)
    prints = {"training_fingerprint": f"t{seed}", "protocol_fingerprint": "p"}
    write_json(directory / "status.json", {"state": "done", "error": None, **prints})
