"""A sweep over benchmarks as one table: ``python -m editmgt.evaluation.robustness SWEEP_DIRECTORY [FILE]``.

Success with its interval, what was touched outside, and where it fails, from the stored rows alone. Written as
Markdown to FILE, or printed.
"""

import sys
from pathlib import Path
from typing import Any

from editmgt.analysis.intervals import rate
from editmgt.errors import UserError
from editmgt.files import write_atomic
from editmgt.metrics import UNTOUCHED
from editmgt.results import SweepDirectory
from editmgt.results.reference import CODEC_TARGET, COPY_SOURCE, ORACLE_MASK, Reference

_FEWEST = 10  # samples of an edit type that are named as failing
_READ = ("edit/success", "edit/success_strict", "outside_codec/changed")
_CONTROLS = (
    (COPY_SOURCE, "copy source"),
    (CODEC_TARGET, "codec of target"),
    (ORACLE_MASK, "oracle mask"),
)


def table(directory: Path) -> str:
    """Return the sweep's cells as Markdown, a row per benchmark, then the edit types that fail most.

    Success is with its exact (Clopper-Pearson) 95% interval; samples are drawn independently, so they do not
    cluster. Restraint is the share of samples of which at most ``UNTOUCHED`` of the picture was visibly changed outside
    the edit mask. Even a perfect edit touches the codec's cells around it: the codec of the target says how much.

    Raises:
        UserError: where there is no finished cell, or a file is broken.
    """
    sweep = SweepDirectory(directory)
    references = dict(sweep.references())
    rows, worst = [], []
    for cell in sweep.finished():
        config, samples = cell.config(), cell.samples()
        scored = samples[samples["status"] == "ok"]
        name = config["benchmark"]["name"]
        # what a training made has no name of its own: the cell's says what it was trained with
        checkpoint = Path(config["checkpoint"]).name if "checkpoint" in config else cell.path.name
        success, strict, outside = _measured(scored)
        # a sweep over one benchmark keeps the controls without its name
        controls = _controls(references.get(name, references[""]))
        rows.append([
            f"`{name}`", checkpoint, rate(success), rate(strict),
            f"{_restraint(outside)} (n={len(outside)})" if len(outside) else "",
            *(controls.get(folder, "") for folder, _ in _CONTROLS),
            f"{len(scored)}" + (f" ({len(samples) - len(scored)} failed)" if len(scored) < len(samples) else ""),
        ])  # fmt: skip
        by_type = success.groupby(scored["edit_type"]).agg(["mean", "count"])
        worst += [
            (mean, f"{name}, {checkpoint}, {kind}: {mean:.2f} (n={count})")
            for kind, mean, count in by_type.itertuples()
            if count >= _FEWEST
        ]
    if not rows:
        raise UserError(f"{directory} holds no finished cell.")
    header = ["slice", "checkpoint", "success [95%] ↑", "strict [95%] ↑", "restraint ↑"]
    header += [f"{title}: success / restraint" for _, title in _CONTROLS] + ["n"]
    lines = [f"| {' | '.join(header)} |", f"| --- | --- |{' ---: |' * (len(header) - 2)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", "Where it fails most (success by edit type, of at least 10 samples):", ""]
    lines += [f"- {text}" for _, text in sorted(worst)[:10]]
    return "\n".join(lines) + "\n"


def _restraint(outside: Any) -> str:
    return f"{(outside <= UNTOUCHED).mean():.3f}" if len(outside) else ""


def _measured(rows: Any) -> list[Any]:
    """The defined values of each of ``_READ``."""
    return [column.dropna() for _, column in rows.reindex(columns=[*_READ]).items()]


def _controls(reference: Reference) -> dict[str, str]:
    """Success and restraint of the controls of a benchmark."""
    found = {}
    for folder, _ in _CONTROLS:
        control = reference.control(folder)
        if control.has_metrics():
            success, _, outside = _measured(control.samples())
            found[folder] = f"{success.mean():.3f} / {_restraint(outside)}" if len(success) else ""
    return found


def main(arguments: list[str]) -> int:
    """Print or write the table; returns the exit status."""
    if len(arguments) not in (1, 2) or arguments[0].startswith("-"):
        print("usage: python -m editmgt.evaluation.robustness SWEEP_DIRECTORY [FILE]", file=sys.stderr)
        return 2
    try:
        text = table(Path(arguments[0]))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    if len(arguments) == 2:
        write_atomic(arguments[1], text)
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
