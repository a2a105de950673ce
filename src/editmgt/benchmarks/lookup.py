"""Benchmarks by name: from a ``benchmark`` configuration to its rows, and to what identifies them."""

import inspect
import json
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from editmgt.benchmarks.protocols import protocol
from editmgt.benchmarks.table_rows import Table
from editmgt.data.sample import EditSample, Samples
from editmgt.errors import UserError
from editmgt.paths import is_file_name

if TYPE_CHECKING:
    from editmgt.config.benchmark import Benchmark


def build(benchmark: "Benchmark") -> Samples:
    """Return the rows of a benchmark; equal ones share them. A ``UserError`` where they are not there as they should be."""
    return _build(benchmark.model_dump_json())


def instructions(benchmark: "Benchmark") -> list[str]:
    """Return the instruction of every row that has one; the rows' pictures are not read where they lie in files."""
    return _instructions(benchmark.model_dump_json())


def rows_digest(benchmark: "Benchmark") -> str | None:
    """Return the hash of the rows' content; None for rendered rows, which configuration and source decide."""
    digest: str | None = getattr(build(benchmark), "digest", None)
    return digest


def picture_path(benchmark: str, sample: EditSample) -> Path:
    """Return where an edited picture of a benchmark by name lies, from the run's directory: as its official scorer wants.

    A row whose key would lead out of that directory is a ``ValueError``.
    """
    folders_of = getattr(protocol(benchmark), "folders", None)
    folders = () if folders_of is None else folders_of(sample)
    for name in (*folders, sample.sample_id):
        if not is_file_name(name):
            raise ValueError(f"the key '{name}' is no file name")
    return Path("images", *folders, f"{sample.sample_id}.png")


@lru_cache(maxsize=1)
def _instructions(config_json: str) -> list[str]:
    samples = _build(config_json)
    texts = samples.texts() if isinstance(samples, Table) else None
    if texts is None:
        texts = []
        for index in range(len(samples)):
            with suppress(Exception):  # what is wrong with a row is told when it is edited
                texts.append(samples[index].instruction)
    return [text for text in texts if isinstance(text, str)]


@lru_cache(maxsize=1)
def _build(config_json: str) -> Samples:
    config = json.loads(config_json)
    make = protocol(config["name"]).rows
    asked = inspect.signature(make).parameters
    samples: Samples = make(**{key: config[key] for key in asked})
    if not len(samples):
        where = f"benchmark.path={config['path']}" if "path" in config else f"benchmark={config['name']}"
        raise UserError(f"{where} has no rows.")
    return samples if "size" in asked else samples.first(config["size"])  # type: ignore[attr-defined]
