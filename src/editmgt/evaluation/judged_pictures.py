"""Every edited picture put before the judge, and its answers kept."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import fmean
from threading import Lock
from typing import Any

from PIL import Image

from editmgt.benchmarks.judging import Judging
from editmgt.data.sample import EditSample, Samples
from editmgt.editing.picture_files import png
from editmgt.evaluation.faults import told
from editmgt.evaluation.judge import Judge, read_scores
from editmgt.files import WriteError, append, whole_lines, write_atomic
from editmgt.results.rows import one_line
from editmgt.results.run_directory import JUDGED, REPLIES
from editmgt.spreadsheet import from_csv, to_csv

NO_EDIT = "no edit"  # the status of a row that has nothing to judge
_COLUMNS = ("sample_id", "edit_type", "status", "error")


def judge_pictures(
    judging: Judging,
    samples: Samples,
    directory: Path,
    path_of: Callable[[EditSample], Path],
    judge: Judge,
    *,
    parallel: int = 4,
    resume: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, float]:
    """Judge every sample's edited picture, at ``path_of`` it in ``directory``; returns means and counts, as :func:`summary` does.

    ``judge.csv`` has a row per sample, in the order they finish; ``judge.jsonl`` every raw reply with its date,
    judge and prompt hash. A sample without a usable reply is a failed row; one whose edit failed has no picture to judge,
    which asking again would not change, and counts nowhere. With ``resume``, scores that are there are kept, and failed
    rows are asked for again. ``parallel`` questions are asked at the same time.
    """
    stored = directory / JUDGED
    rows = _read(stored, judging.scores) if resume else {}
    write_atomic(stored, to_csv([[*_COLUMNS, *judging.scores], *rows.values()]))
    if not resume:
        (directory / REPLIES).unlink(missing_ok=True)
    lock = Lock()

    def work(index: int) -> None:
        sample_id, edit_type, error, values = f"#{index}", "", "", list[float]()
        picture: Path | None = None
        try:
            sample = samples[index]
            sample_id, edit_type = one_line(sample.sample_id), one_line(sample.edit_type)
            if sample_id in rows:
                return
            picture = directory / path_of(sample)
            values = _judge(judging, sample, picture, judge, record)
        except WriteError:  # a reply that is lost is no refusal
            raise
        except Exception as problem:  # whatever went wrong is this row's failure alone
            error = told(problem)
        edited = picture is not None and picture.is_file()
        status = "ok" if not error else "failed" if edited else NO_EDIT
        scored = map(repr, values) if values else [""] * len(judging.scores)
        with lock:
            rows[sample_id] = [sample_id, edit_type, status, error, *scored]
            append(stored, to_csv([[sample_id, edit_type, status, error, *(values or scored)]]))
            progress(len(rows), len(samples))

    def record(facts: Mapping[str, Any]) -> None:
        with lock:
            append(directory / REPLIES, json.dumps(facts) + "\n")

    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(work, range(len(samples))))
    return summary(judging, list(rows.values()))


def summary(judging: Judging, rows: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return ``judge/n``, ``judge/failed``, the mean of each score, and ``judge/overall[EDIT_TYPE]``."""
    scored = [row for row in rows if row[2] == "ok"]
    failed = sum(row[2] == "failed" for row in rows)
    found: dict[str, float] = {"judge/n": len(scored), "judge/failed": failed}
    types = sorted({row[1] for row in scored})
    for position, column in enumerate(judging.scores, len(_COLUMNS)):
        of_type = {name: fmean(float(row[position]) for row in scored if row[1] == name) for name in types}
        if column == "judge/overall":
            found |= {f"{column}[{name}]": mean for name, mean in of_type.items()}
        if scored:
            found[column] = fmean(
                of_type.values() if judging.by_type else (float(row[position]) for row in scored)
            )
    return found


def _judge(
    judging: Judging,
    sample: EditSample,
    picture: Path,
    judge: Judge,
    record: Callable[[Mapping[str, Any]], None],
) -> list[float]:
    source, edited = png(Image.fromarray(sample.source)), picture.read_bytes()
    answers: dict[str, float] = {}
    for question in judging.questions:
        pictures = [source, edited] if question.shows_source else [edited]
        answers |= judge.ask(
            question,
            sample.request,
            pictures,
            partial(read_scores, question=question),
            lambda facts: record({"sample_id": sample.sample_id, **facts}),
        )
    return list(judging.of_answers(answers))


def _read(path: Path, scores: Sequence[str]) -> dict[str, list[str]]:
    """Whole rows with scores of an earlier run of the same benchmark, by sample."""
    header, *rows = from_csv(whole_lines(path).decode()) or [[]]
    return {row[0]: row for row in rows if row[2] == "ok"} if header == [*_COLUMNS, *scores] else {}
