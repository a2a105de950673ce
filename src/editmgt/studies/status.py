"""What a cell's directory tells of how the cell ended."""

from pathlib import Path
from typing import Any

from editmgt.files import CANNOT_WRITE, read_json, read_object

INTERRUPTED = "interrupted"  # the error of a cell that the user stopped
_FROM_OUTSIDE = (INTERRUPTED, CANNOT_WRITE)  # what begins the error of a cell that did nothing wrong


def is_done(directory: Path, fingerprints: dict[str, str | None]) -> bool:
    """Whether a cell's directory holds its finished results, of these very fingerprints.

    What a judge did not answer, or the machine did not manage, is not finished.
    """
    status = status_of(directory)
    same = all(status.get(key) == value for key, value in fingerprints.items())
    return status.get("state") == "done" and same and has_results(directory)


def has_results(directory: Path) -> bool:
    """Whether a directory holds judged metrics and the very rows that they are of."""
    metrics = read_object(directory / "metrics.json")
    return metrics is not None and not _to_do_again(metrics) and _has_rows(directory, metrics)


def status_of(directory: Path) -> dict[str, Any]:
    """Return what ``status.json`` says; nothing, where it is absent or broken."""
    return read_object(directory / "status.json") or {}


def was_cut_off(directory: Path, fingerprints: dict[str, str | None]) -> bool:
    """Whether ``directory`` holds rows of the same weights and protocol that something outside stopped.

    A full disk, a judge that did not answer and rows that failed by the machine are such things. A run that failed by
    itself is not: it is tried again from its first row.
    """
    try:
        status = read_json(directory / "status.json")
        stopped = status["state"] == "running" or str(status["error"]).startswith(_FROM_OUTSIDE)
        again = status["state"] == "done" and _to_do_again(read_object(directory / "metrics.json") or {})
        return (stopped or again) and all(status.get(key) == value for key, value in fingerprints.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _to_do_again(metrics: dict[str, Any]) -> bool:
    return bool(metrics.get("judge/failed") or metrics.get("failed/machine"))


def _has_rows(directory: Path, metrics: dict[str, Any]) -> bool:
    """Whether the rows are there that the metrics are of; a codec's or a base model's training has none."""
    from editmgt.studies.report.stored import read_samples  # late: pandas

    if "n" not in metrics:
        return True
    try:
        samples, _ = read_samples(directory / "samples.csv")
    except (OSError, ValueError):
        return False
    return bool((samples["status"] == "ok").sum() == metrics["n"])
