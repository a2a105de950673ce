"""Benchmarks by name: from a ``benchmark`` configuration to its rows, and to what identifies them."""

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from editmgt.benchmarks import protocols
from editmgt.benchmarks.folder import folder
from editmgt.benchmarks.magicbrush import magicbrush
from editmgt.benchmarks.sample import BenchmarkSample, Samples
from editmgt.benchmarks.scenes import scenes
from editmgt.benchmarks.slices import SliceDataset
from editmgt.benchmarks.tables import Table, first
from editmgt.errors import UserError
from editmgt.paths import is_file_name


def build(config: Mapping[str, Any]) -> Samples:
    """Return the rows of a valid ``benchmark`` configuration; equal ones share them.

    Raises:
        UserError: for data that are not there or of another layout.
    """
    return _build(json.dumps(dict(config), sort_keys=True))


def rows_digest(config: Mapping[str, Any]) -> str | None:
    """Return the hash of the rows' content; None for rendered rows, which configuration and source decide."""
    rows = build(config)
    return rows.digest if isinstance(rows, Table) else None


def picture_path(config: Mapping[str, Any], sample: BenchmarkSample) -> Path:
    """Return where an edited picture lies, from the run's directory: where there is an official scorer, as it wants.

    Raises:
        ValueError: for a row whose key would lead out of that directory.
    """
    folders = ("fullset", sample.edit_type, sample.slice) if config["name"] == "gedit" else ()
    for name in (*folders, sample.sample_id):
        if not is_file_name(name):
            raise ValueError(f"the key '{name}' is no file name")
    return Path("images", *folders, f"{sample.sample_id}.png")


@lru_cache(maxsize=1)
def _build(config_json: str) -> Samples:
    config = json.loads(config_json)
    name, size, seed = config["name"], config["size"], config["seed"]
    if name in ("scenes", "scenes_basic"):
        return scenes(size, seed, config["resolution"], config["world"], config["split"])
    if name.startswith("scenes_"):
        return SliceDataset(name.removeprefix("scenes_"), config["split"], seed, size, config["resolution"])
    protocol = name.removesuffix("_final")  # two names, so that one sweep may hold both
    keys = {"magicbrush": ("split", "turns"), "gedit": ("split", "language"), "imgedit": (), "folder": ()}
    options = {key: config[key] for key in keys.get(protocol, ("split",))}
    own: dict[str, Callable[..., Table]] = {"folder": folder, "magicbrush": magicbrush}
    opened = own.get(protocol) or getattr(protocols, protocol)
    table = opened(config["path"], **options)
    if not len(table):
        raise UserError(f"benchmark.path={config['path']} has no rows.")
    return first(table, size)
