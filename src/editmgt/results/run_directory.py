"""The directory of one run: a cell of a sweep, a single run, a control or a training."""

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from editmgt.files import write_atomic, write_json
from editmgt.results.broken import BrokenFile, json_object, reading, yaml_object
from editmgt.results.rows import RowFile, read_samples

if TYPE_CHECKING:
    import pandas as pd

STATUS, METRICS, SAMPLES, CONFIG = "status.json", "metrics.json", "samples.csv", "config.yaml"
PROTOCOL, PROGRESS, NOT_RUN, ERROR = "protocol.json", "progress.json", "not_run.json", "error.txt"
JUDGED, REPLIES, PAGE, WANDB = "judge.csv", "judge.jsonl", "samples.png", "wandb.json"
MAPS, GALLERY = "maps.jsonl", ".gallery"  # each edit's map and held tokens; what the page is drawn from
_END = (METRICS, ERROR)
_ROWS = (SAMPLES, JUDGED, REPLIES, MAPS, PAGE)  # what a run adds to as it goes
_RESULTS = (METRICS, SAMPLES, CONFIG, PROTOCOL, PROGRESS, NOT_RUN, JUDGED, REPLIES)


@dataclass(frozen=True)
class RunDirectory:
    """What a run leaves in ``path``; whatever it reads raises :class:`BrokenFile` where it is broken."""

    path: Path

    def has_status(self) -> bool:
        """Whether it ever began."""
        return (self.path / STATUS).is_file()

    def status(self) -> dict[str, Any]:
        """How it ended: ``state`` (running, done or failed), ``error`` and whose it is; empty where it never began."""
        return json_object(self.path / STATUS) if self.has_status() else {}

    def write_status(self, state: str, error: str | None = None, **facts: str | None) -> None:
        """Say how far it is, or how it ended, and with which fingerprints."""
        write_json(self.path / STATUS, {"state": state, "error": error, **facts})

    def config(self) -> dict[str, Any]:
        """The configuration that made it; empty where there is none."""
        if not (self.path / CONFIG).is_file():
            return {}
        config = yaml_object(self.path / CONFIG)
        for group in ("model", "benchmark"):
            if not isinstance(config.get(group, {}), dict):
                raise BrokenFile(f"{self.path / CONFIG} is corrupt: {group} holds no settings")
        return config

    def write_config(self, config: Mapping[str, Any], protocol: Mapping[str, Any] | None = None) -> None:
        """Keep the configuration, and what of it decides the scores."""
        from omegaconf import OmegaConf  # late: whoever only reads needs none

        write_atomic(self.path / CONFIG, OmegaConf.to_yaml(OmegaConf.create(dict(config))))
        if protocol is not None:
            write_json(self.path / PROTOCOL, protocol)

    def has_metrics(self) -> bool:
        """Whether there are means, whole or not."""
        return (self.path / METRICS).is_file()

    def metrics(self) -> dict[str, float]:
        """Means and counts by name; all are finite."""
        metrics = json_object(self.path / METRICS)
        for key, value in metrics.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise BrokenFile(f"{self.path / METRICS} is corrupt: {key} is {value!r}, not a number")
        return metrics

    def write_metrics(self, metrics: Mapping[str, float], not_run: Mapping[str, str] | None = None) -> None:
        """Keep the means and counts, and why metrics that were asked for were not computed."""
        if not_run:
            write_json(self.path / NOT_RUN, not_run)
        write_json(self.path / METRICS, metrics)

    def row_file(self, names: Sequence[str]) -> RowFile:
        """The rows as they are written, with a column for each of the metrics ``names``."""
        return RowFile(self.path / SAMPLES, names)

    def samples(self) -> "pd.DataFrame":
        """A row per sample, see :func:`editmgt.results.rows.read_samples`."""
        with reading(self.path / SAMPLES):
            return read_samples(self.path / SAMPLES)

    def results(self) -> tuple[dict[str, float], "pd.DataFrame | None"]:
        """The metrics and the very rows that they are of; a codec's or a base model's training has none."""
        metrics = self.metrics()
        if "n" not in metrics:
            return metrics, None
        samples = self.samples()
        scored = (samples["status"] == "ok").sum()
        if scored != metrics["n"]:
            raise BrokenFile(
                f"{self.path / SAMPLES} has {scored} scored samples where {METRICS} has {metrics['n']:g}: "
                "one is not of this run"
            )
        return metrics, samples

    def progress(self) -> dict[str, dict[str, float]]:
        """What its training learned, ``before`` and ``after``; empty where nothing was measured."""
        return json_object(self.path / PROGRESS) if (self.path / PROGRESS).is_file() else {}

    def write_progress(self, progress: Mapping[str, Mapping[str, float]]) -> None:
        """Keep what its training learned."""
        write_json(self.path / PROGRESS, progress)

    def write_error(self, details: str) -> None:
        """Keep the traceback of what ended it."""
        write_atomic(self.path / ERROR, details)

    def forget(self, rows: bool) -> None:
        """Remove what an earlier attempt came to; with ``rows`` also its rows and maps.

        Rows have to go before a status says that another attempt is running, which would go on with them.
        """
        for name in (*_END, *(_ROWS if rows else ())):
            (self.path / name).unlink(missing_ok=True)
        if rows:
            shutil.rmtree(self.path / GALLERY, ignore_errors=True)

    def wandb_run(self) -> dict[str, str]:
        """The ``id`` and the ``mode`` of the W&B run it was last logged to; empty where there is none."""
        return json_object(self.path / WANDB) if (self.path / WANDB).is_file() else {}

    def write_wandb_run(self, run_id: str, mode: str) -> None:
        """Keep the W&B run that it is logged to."""
        write_json(self.path / WANDB, {"id": run_id, "mode": mode})

    def files(self) -> dict[str, Path]:
        """The files of numbers and settings that are there, by name."""
        return {name: path for name in _RESULTS if (path := self.path / name).is_file()}

    @property
    def page(self) -> Path:
        """The page of pictures; of a run that edited nothing there is none."""
        return self.path / PAGE
