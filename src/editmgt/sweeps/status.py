"""What a cell's directory tells of how the cell ended."""

from pathlib import Path
from typing import Any

from editmgt.files import CANNOT_WRITE
from editmgt.results import RunDirectory, readable

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
    """Whether a directory holds judged metrics and the very rows that they are of, as a report reads them."""
    run = RunDirectory(directory)
    results, config = readable(run.results), readable(run.config)
    return results is not None and config is not None and not _to_do_again(results[0])


def status_of(directory: Path) -> dict[str, Any]:
    """Return the status of a run; nothing, where it is absent or broken."""
    return readable(RunDirectory(directory).status) or {}


def has_ended(directory: Path) -> bool:
    """Whether a cell came to its end, done or failed by itself; one that was killed or stopped did not."""
    status = status_of(directory)
    stopped = str(status.get("error")).startswith(_FROM_OUTSIDE)
    return status.get("state") == "done" or (status.get("state") == "failed" and not stopped)


def was_cut_off(directory: Path, fingerprints: dict[str, str | None]) -> bool:
    """Whether ``directory`` holds rows of the same weights and protocol that something outside stopped.

    A full disk, a judge that did not answer and rows that failed by the machine are such things. A run that failed by
    itself is not: it is tried again from its first row.
    """
    status = status_of(directory)
    state, error = status.get("state"), str(status.get("error"))
    again = state == "done" and _to_do_again(readable(RunDirectory(directory).metrics) or {})
    stopped = state == "running" or error.startswith(_FROM_OUTSIDE)
    return (stopped or again) and all(status.get(key) == value for key, value in fingerprints.items())


def _to_do_again(metrics: dict[str, Any]) -> bool:
    return bool(metrics.get("judge/failed") or metrics.get("failed/machine"))
