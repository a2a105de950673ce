"""Kill a sweep again and again, at random moments: ``python tests/killed_sweep.py KILLS BUNDLE [SEED]``.

Everything heavy is imported once; each attempt is a fork of this process with a process group of its own, which
SIGKILL ends. A sweep is attempted until it finishes; then its rows are compared with those of an undisturbed one, and
the next sweep starts. After every kill, each file that should be whole is read. Prints what happened as JSON.
"""

import csv
import json
import os
import random
import shutil
import signal
import sys
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
OVERRIDES = [
    "-m", "debug=smoke", "benchmark.resolution=32", "model.resolution=32", "data.resolution=32", "data.batch_size=4",
    "model.localization.layers=[1,2]", "trainer.max_steps=6", "trainer.num_threads=1", "logger=csv",
    "model.region_hold=true,false", "model.consolidation=true,false",
]  # fmt: skip


def main(kills: int, bundle: str, seed: int = 0) -> dict[str, Any]:
    """Return what happened."""
    sys.path.insert(0, str(ROOT))
    import editmgt.benchmarks
    import editmgt.stores.stored_edits
    import editmgt.sweeps.cell
    import editmgt.sweeps.reference
    import editmgt.training.run  # noqa: F401
    import train
    from editmgt.sweeps import command

    def attempt(directory: Path, delay: float | None) -> int | None:
        """Run the sweep; returns its exit status, None where it was killed after ``delay`` seconds."""
        directory.mkdir(exist_ok=True)
        child = os.fork()
        if child == 0:
            os.setsid()
            os.chdir(directory)
            with Path("output.txt").open("a") as output:
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
                status = command.main(
                    "train", train.run, ROOT / "conf", [*OVERRIDES, f"init_from='{bundle}'"]
                )
            sys.stdout.flush()
            os._exit(status)
        deadline = None if delay is None else time.monotonic() + delay
        while deadline is None or time.monotonic() < deadline:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.005)
        os.kill(child, signal.SIGKILL)  # it has no group of its own yet if it was killed at once
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return None

    whole = Path("whole")
    start = time.monotonic()
    if attempt(whole, None) != 0:
        raise SystemExit((whole / "output.txt").read_text())
    span, expected = time.monotonic() - start, results(whole)
    chance, done, finished, broken = random.Random(seed), 0, 0, list[str]()
    while done < kills:
        directory = Path(f"sweep-{finished}")
        status = attempt(directory, chance.uniform(0, span))
        if status is None:
            done += 1
            broken += [f"after kill {done}: {path}" for path in unreadable(directory)]
            status = attempt(directory, None) if done == kills else None
        if status is not None:
            if status != 0 or results(directory) != expected:
                broken.append(f"{directory}: status {status}, or other rows; see its output.txt")
            finished += 1
            if not broken:
                shutil.rmtree(directory)
    return {"kills": done, "finished": finished, "seconds": round(span, 1), "broken": broken}


def unreadable(directory: Path) -> list[str]:
    """Files that are there under their final name and are not whole."""
    found = []
    for path in directory.rglob("*"):
        if path.name.startswith(".") or not path.is_file():
            continue
        try:
            if path.suffix == ".json":
                json.loads(path.read_text())
            elif path.name == "samples.csv" and is_done(path.parent):
                header, *rows = csv.reader(path.open(newline=""))
                assert path.read_text().endswith("\n") and all(len(row) == len(header) for row in rows)
            elif path.suffix == ".ckpt":
                assert zipfile.is_zipfile(path)
        except (OSError, ValueError, AssertionError) as error:
            found.append(f"{path}: {error}")
    return found


def is_done(cell: Path) -> bool:
    """Whether the rows claim to be whole; those of a cell that runs are added one by one."""
    status = cell / "status.json"
    return status.is_file() and json.loads(status.read_text())["state"] == "done"


def results(directory: Path) -> dict[str, list[dict[str, str]]]:
    """Every cell's rows, but for their times."""
    found = {}
    for path in sorted(directory.glob("outputs/sweeps/*/*/samples.csv")):
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        found[path.parent.name] = [
            {k: v for k, v in row.items() if not k.startswith("speed/")} for row in rows
        ]
    return found


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))))
