"""What a sweep over settings of one checkpoint saves: its eight cells in one command, and as eight evaluations by themselves.

    python benchmarks/cells.py [read] [rules]

``read``: hold by two maps or none, consolidation on and off; four of the cells read one pass of edits. ``rules``: the eight
set-ups of experiment=hold_rules, seven of which decide each for itself what is edited. Every command begins in an empty
directory. Prints processor seconds, which mean the same on a busy machine, and how many times less the sweep takes.
"""

import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMON = ["checkpoint=tiny_editor", "benchmark.size=500", "benchmark.batch_size=50", "logger=none"]
READ = {
    "model.localization.source": ["attention", "posterior"],
    "model.consolidation": ["true", "false"],
    "model.region_hold": ["true", "false"],
}
RULES = [
    "attention",
    "none",
    "posterior",
    "posterior_hysteresis",
    "posterior_first",
    "likelihood_first",
    "otsu_first",
]
GRIDS = {"read": (READ, ["hold_setup=attention"]), "rules": ({"hold_setup": [*RULES, "guidance_first"]}, [])}


def main(names: list[str]) -> None:
    """Measure the grids that are named, or both."""
    for name in names or GRIDS:
        grid, fixed = GRIDS[name]
        together = seconds(["-m", *COMMON, *fixed, *(f"{key}={','.join(of)}" for key, of in grid.items())])
        cells = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
        alone = [
            seconds([*COMMON, *fixed, *(f"{key}={value}" for key, value in cell.items())]) for cell in cells
        ]
        print(
            f"{name}: {sum(alone):.0f} s alone, {together:.0f} s together, {sum(alone) / together:.2f} times less"
        )
        print(json.dumps({"alone": alone, "together": together}), flush=True)


def seconds(arguments: list[str]) -> float:
    """Return the processor time of an evaluation, with all that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as empty:
        subprocess.run(
            [sys.executable, ROOT / "evaluate.py", *arguments],
            cwd=empty, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, stdout=subprocess.DEVNULL, check=True,
        )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main(sys.argv[1:])
