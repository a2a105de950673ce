"""Cells whose edits a judge compares, with each other and with other models', once they are all there."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from editmgt.config.benchmark import Benchmark, JudgeSettings
from editmgt.errors import UserError
from editmgt.lock import locked
from editmgt.progress import progress_bar
from editmgt.results import SweepDirectory
from editmgt.sweeps.plan import Plan
from editmgt.sweeps.reference import finished_cells


def check_arena(benchmarks: Sequence[Benchmark]) -> None:
    """Raise a ``UserError`` where a judge is to compare what nobody else's edits are compared with.

    ``benchmarks`` are those of all cells.
    """
    cells = Counter(benchmark.name for benchmark in benchmarks)
    for benchmark in benchmarks:
        judge = _comparing(benchmark)
        if judge is None:
            continue
        if judge.candidates is not None:
            from editmgt.benchmarks.candidates import read_candidates

            read_candidates(judge.candidates)
        elif cells[benchmark.name] < 2:
            raise UserError(
                "benchmark.judge.kind=pairwise has nothing to compare this one cell with: sweep over a setting (-m), or "
                "name other models' edits by benchmark.judge.candidates."
            )


def run_arena(plan: Plan, say: Callable[[str], None]) -> None:
    """Have the finished cells of every benchmark compared under its first one's judge; nothing is asked twice."""
    by_name: dict[str, list[tuple[Path, Benchmark]]] = {}
    for directory, config in finished_cells(plan):
        if _comparing(config.benchmark):
            by_name.setdefault(config.benchmark.name, []).append((directory, config.benchmark))
    for name, cells in by_name.items():
        out = SweepDirectory(plan.directory).comparisons / name
        with locked(out, lambda: say("waiting for another process, which has the cells compared")):
            _compare([directory for directory, _ in cells], cells[0][1], out, say)


def _comparing(benchmark: Benchmark) -> JudgeSettings | None:
    """The judge that compares the cells of a benchmark, where there is one."""
    judge = benchmark.judge
    asked = judge is not None and judge.endpoint is not None and judge.kind == "pairwise"
    return judge if asked else None


def _compare(cells: list[Path], benchmark: Benchmark, out: Path, say: Callable[[str], None]) -> None:
    from editmgt.benchmarks import EditSample, build
    from editmgt.benchmarks.candidates import read_candidates
    from editmgt.benchmarks.lookup import picture_path
    from editmgt.evaluation.compared_pictures import TABLE, Contestant, compare_pictures
    from editmgt.evaluation.judge import Judge

    judge = _comparing(benchmark)
    assert judge is not None
    gallery = read_candidates(judge.candidates) if judge.candidates is not None else {}

    def cell(directory: Path) -> Contestant:
        return Contestant(directory.name, lambda sample: directory / picture_path(benchmark.name, sample))

    def other(model: str) -> Contestant:
        def picture(sample: EditSample) -> Path | None:
            return gallery.get(sample.sample_id, {}).get(model)

        return Contestant(f"{model} (gallery)", picture, of_others=True)

    models = dict.fromkeys(model for of_key in gallery.values() for model in of_key)
    contestants = [*map(cell, cells), *map(other, models)]
    if len(contestants) < 2:
        say("nothing to compare: one cell finished")
        return
    with progress_bar("comparing", say) as advance:
        rows = compare_pictures(
            contestants, build(benchmark), out, Judge.of(judge), parallel=judge.parallel, progress=advance
        )
    failed = sum(row["status"] == "failed" for row in rows)
    again = f", {failed:,} not ({out / TABLE} says why; the same command asks again)" if failed else ""
    say(f"{len(rows) - failed:,} comparisons of {len(contestants)} editors judged{again}")
    if gallery and {row["second"] for row in rows}.isdisjoint(c.name for c in contestants if c.of_others):
        say(f"no sample of {benchmark.name} is in benchmark.judge.candidates={judge.candidates}")
