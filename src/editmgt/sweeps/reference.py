"""The rows that every table needs beside its cells: the shipped editor, and what needs no editing at all."""

from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import ValidationError

from editmgt import assets
from editmgt.config import Config, parse_config
from editmgt.config.schema import Evaluate
from editmgt.errors import UserError
from editmgt.lock import locked
from editmgt.progress import progress_bar
from editmgt.results import BrokenFile, RunDirectory, SweepDirectory
from editmgt.results.reference import SHIPPED, Reference
from editmgt.results.run_directory import METRICS, SAMPLES
from editmgt.stores.fingerprint import weights_digest
from editmgt.stores.identity import edit_settings, identify, ready_editor
from editmgt.sweeps.cell import judged
from editmgt.sweeps.plan import Plan
from editmgt.sweeps.status import has_results, status_of, was_cut_off


def run_references(plan: Plan, say: Callable[[str], None]) -> None:
    """Judge the references of every benchmark under its first finished cell's settings, once: what is there is kept."""
    first: dict[str, tuple[Path, Config]] = {}
    for directory, config in finished_cells(plan):
        first.setdefault(config.benchmark.name, (directory, config))
    for benchmark, (directory, config) in first.items():
        out = SweepDirectory(plan.directory).reference(benchmark if len(first) > 1 else "")
        _run(plan, directory, config, out, say)


def finished_cells(plan: Plan) -> Iterator[tuple[Path, Config]]:
    """Yield directory and configuration of the cells that edited their benchmark to its end."""
    for directory in map(plan.cell_directory, plan.cells):
        config = _stored_config(directory)
        if config is not None and config.edits and status_of(directory).get("state") == "done":
            yield directory, config


def _stored_config(directory: Path) -> Config | None:
    """What a cell was made by; None for what is broken or of another version, which the report tells."""
    try:
        return parse_config(RunDirectory(directory).config())
    except (BrokenFile, OSError, KeyError, ValidationError):
        return None


def _run(plan: Plan, cell: Path, config: Config, out: Reference, say: Callable[[str], None]) -> None:
    own = config.checkpoint if isinstance(config, Evaluate) else str(cell / "checkpoints" / "editor")
    identity = identify(config)
    if plan.task == "train":
        if SHIPPED in assets.names():
            _once(
                out.shipped.path,
                identity | {"training_fingerprint": weights_digest(SHIPPED)},
                say,
                lambda to, resume: _shipped(plan, config, to, say, resume),
            )
        else:
            say(f"{SHIPPED} is not there: the table goes without its row")
    _once(out.controls.path, identity, say, lambda to, resume: _controls(own, config, to, say, resume))


def _shipped(plan: Plan, config: Config, out: Path, say: Callable[[str], None], resume: bool) -> None:
    def tell(text: str) -> None:
        say(f"{SHIPPED}: {text}")

    asker = {"cell": SHIPPED, "sweep": plan.directory.name}
    try:
        judged(config, SHIPPED, out, plan.directory, asker, tell, resume)
    except UserError as error:  # another architecture has other blocks
        say(f"{SHIPPED} cannot be judged with these settings: {error}")


def _controls(own: str, config: Config, out: Path, say: Callable[[str], None], resume: bool) -> None:
    from editmgt.benchmarks import build
    from editmgt.benchmarks.lookup import picture_path
    from editmgt.evaluation.evaluate import controls
    from editmgt.metrics import scorer_of

    editor, benchmark = ready_editor(config, own), config.benchmark
    with progress_bar("controls", say) as advance:
        controls(
            editor,
            build(benchmark),
            edit_settings(config, editor),
            out,
            batch_size=benchmark.batch_size,
            seed=config.edit_seed,
            metrics=scorer_of(config.metrics),
            progress=advance,
            resume=resume,
            picture_path=lambda sample: picture_path(benchmark.name, sample),
        )


def _once(
    out: Path,
    identity: dict[str, str | None],
    say: Callable[[str], None],
    work: Callable[[Path, bool], None],
) -> None:
    """Do the work of ``out`` unless it is there, whole; one process at a time, as the same sweep may run twice."""
    run = RunDirectory(out)
    with locked(out, lambda: say(f"{out.name}: waiting for another process, which judges them")):
        if status_of(out) == {"state": "done", "error": None, **identity} and _is_whole(out):
            return
        resume = was_cut_off(out, identity)
        for folder in (out, *out.glob("*/")):  # controls have one each
            RunDirectory(folder).forget(rows=not resume)
        run.write_status("running", **identity)
        work(out, resume)
        run.write_status("done", **identity)


def _is_whole(out: Path) -> bool:
    """Whether every table of rows in ``out``, or in its folders, is the one that its metrics are of."""
    folders = [
        folder for folder in (out, *out.glob("*/")) if {METRICS, SAMPLES} & {*RunDirectory(folder).files()}
    ]
    return all(has_results(folder) for folder in folders)
