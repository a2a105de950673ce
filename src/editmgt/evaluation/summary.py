"""What the rows of an evaluation come to."""

import math
from collections.abc import Sequence

from editmgt.results import Row

BY_TYPE = ("edit/success", "edit/success_strict")  # summarised per edit type; samples.csv has the rest


def summarise(rows: Sequence[Row], names: Sequence[str]) -> dict[str, float]:
    """Return flat name -> number: means of ``names`` over the rows that are ok, and the counts beside them.

    ``n`` rows were scored and ``failed`` were not. ``<name>`` is the mean over the samples where the metric
    is defined, left out when there is none; ``<name>/undefined`` counts the others, where there are any, so
    the mean is over ``n`` less that. What ends in ``[add]`` is the same over the rows of edit type ``add``.
    ``failed/machine``, where there are any, counts those of ``failed`` that the machine was to blame for.
    """
    summary = _summarise(rows, names)
    if again := sum(row.may_work_again for row in rows):
        summary["failed/machine"] = again
    for edit_type in sorted({row.edit_type for row in rows} - {""}):
        of_type = [row for row in rows if row.edit_type == edit_type]
        part = _summarise(of_type, [name for name in names if name in BY_TYPE])
        summary |= {f"{name}[{edit_type}]": value for name, value in part.items()}
    return summary


def _summarise(rows: Sequence[Row], names: Sequence[str]) -> dict[str, float]:
    scored = [row for row in rows if row.status == "ok"]
    summary: dict[str, float] = {"n": len(scored), "failed": len(rows) - len(scored)}
    for name in names:
        defined = [row.values[name] for row in scored if not math.isnan(row.values[name])]
        if defined:
            summary[name] = math.fsum(defined) / len(defined)
        if len(defined) < len(scored):
            summary[f"{name}/undefined"] = len(scored) - len(defined)
    return summary
