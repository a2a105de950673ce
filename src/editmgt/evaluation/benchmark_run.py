"""A whole benchmark run from its configuration: edits, scores, and what a benchmark asks for beyond them."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from editmgt.benchmarks.lookup import build, instructions, picture_path
from editmgt.benchmarks.protocols import protocol
from editmgt.config.schema import Config, Evaluate
from editmgt.editing import Editor, EditSettings
from editmgt.editing.cuts import cuts_of
from editmgt.evaluation.evaluate import evaluate
from editmgt.evaluation.judge import Judge
from editmgt.evaluation.judged_pictures import judge_pictures
from editmgt.evaluation.localization_layers import study
from editmgt.evaluation.scoring import Edits
from editmgt.metrics import scorer_of
from editmgt.metrics.instruction import CUT
from editmgt.results import RunDirectory

Bar = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]


def run(
    editor: Editor,
    edits: Edits,
    settings: EditSettings,
    config: Config,
    directory: Path,
    bar: Bar,
    resume: bool = False,
) -> dict[str, float]:
    """Run the benchmark of ``config`` and leave everything in ``directory``; returns what ``metrics.json`` holds.

    Where the text encoder does not read all of some instruction, a column of ``samples.csv`` tells for each.

    Args:
        editor: what is judged.
        edits: makes its edits, or has them.
        settings: of its edits.
        config: of the cell.
        directory: of the run.
        bar: makes a progress bar with a title.
        resume: go on after the rows that are there.
    """
    benchmark = config.benchmark
    samples = build(benchmark)
    judge, scorer = benchmark.judge, scorer_of(config.metrics)
    if cuts_of(instructions(benchmark), editor.text_encoder):
        scorer = scorer.also(CUT)

    with bar("editing") as advance:
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
    if judge is not None and judge.endpoint is not None and judge.kind == "scores":
        with bar("judging") as advance:
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
        with bar("recording attention") as advance:
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
    return metrics
