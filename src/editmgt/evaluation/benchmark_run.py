"""A whole benchmark run from its configuration: edits, scores, and what a benchmark asks for beyond them."""

import time
import warnings
from collections.abc import Callable
from pathlib import Path

from editmgt.benchmarks.lookup import build, instructions, picture_path
from editmgt.benchmarks.protocols import protocol
from editmgt.config.schema import Config, Evaluate
from editmgt.editing import Editor, EditSettings, InstructionCut
from editmgt.editing.cuts import count_line
from editmgt.evaluation.evaluate import evaluate
from editmgt.evaluation.judge import Judge
from editmgt.evaluation.judged_pictures import judge_pictures
from editmgt.evaluation.localization_layers import study
from editmgt.evaluation.scoring import Edits
from editmgt.metrics import scorer_of
from editmgt.metrics.instruction import CUT
from editmgt.progress import progress_bar
from editmgt.results import RunDirectory
from editmgt.results.run_directory import JUDGED, SAMPLES


def run(
    editor: Editor,
    edits: Edits,
    settings: EditSettings,
    config: Config,
    directory: Path,
    say: Callable[[str], None],
    resume: bool = False,
) -> dict[str, float]:
    """Run the benchmark of ``config`` and leave everything in ``directory``; returns what ``metrics.json`` holds.

    ``edits`` makes the edits of ``editor``, or has them; with ``resume`` the rows that are there are kept. Where the text
    encoder does not read all of some instruction, a column of ``samples.csv`` tells for each. A ``RuntimeError`` where no
    sample could be edited.
    """
    benchmark, scorer = config.benchmark, scorer_of(config.metrics)
    for name, reason in scorer.not_run.items():
        say(f"{name} not run: {reason}")
    samples = build(benchmark)
    most = "up to " if settings.matched_steps else ""
    say(f"{len(samples)} samples of {benchmark.name}, {most}{settings.steps} steps each")
    start = time.perf_counter()
    with warnings.catch_warnings():
        if line := count_line(instructions(benchmark), editor.text_encoder, "instructions"):
            say(f"{line} ({CUT} in {SAMPLES} says which)")
            warnings.simplefilter("ignore", InstructionCut)
            scorer = scorer.also(CUT)
        with progress_bar("editing", say) as advance:
            metrics = evaluate(
                editor,
                samples,
                settings,
                directory,
                batch_size=benchmark.batch_size,
                seed=config.edit_seed,
                metrics=scorer,
                progress=advance,
                resume=resume,
                picture_path=lambda sample: picture_path(benchmark.name, sample),
                edits=edits,
            )
        judge = benchmark.judge
        if judge is not None and judge.endpoint is not None and judge.kind == "scores":
            with progress_bar("judging", say) as advance:
                metrics |= judge_pictures(
                    protocol(benchmark.name).JUDGING,
                    samples,
                    directory,
                    lambda sample: picture_path(benchmark.name, sample),
                    Judge.of(judge),
                    parallel=judge.parallel,
                    resume=resume,
                    progress=advance,
                )
            RunDirectory(directory).write_metrics(metrics)
        layers = config.localization_layers if isinstance(config, Evaluate) else None
        if layers is not None:
            with progress_bar("recording attention", say) as advance:
                study(
                    editor,
                    samples,
                    settings,
                    directory,
                    layers.subsets,
                    layers.thresholds,
                    batch_size=benchmark.batch_size,
                    seed=config.edit_seed,
                    progress=advance,
                )
    if not metrics["n"]:
        raise RuntimeError(f"none of the {len(samples)} samples could be edited; {SAMPLES} says why")
    faults = metrics.get("failed/machine")
    why = f"; {faults:g} by the machine: the same command does them again" if faults else ""
    failed = f", {metrics['failed']:g} failed ({SAMPLES} names them{why})" if metrics["failed"] else ""
    say(f"{metrics['n']:g} scored in {time.perf_counter() - start:.0f} s{failed}")
    if "judge/n" in metrics:
        unjudged = metrics["judge/failed"]
        again = f", {unjudged:g} not ({JUDGED} says why; the same command asks again)" if unjudged else ""
        say(f"{metrics['judge/n']:g} judged{again}")
    return metrics
