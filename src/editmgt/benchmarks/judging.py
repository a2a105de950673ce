"""The judged benchmarks: which questions, and what their answers come to."""

import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

from PIL import Image

from editmgt.benchmarks.faults import told
from editmgt.benchmarks.judge import Judge, Question
from editmgt.benchmarks.rows import one_line
from editmgt.benchmarks.sample import BenchmarkSample, Samples
from editmgt.files import WriteError, append, write_atomic
from editmgt.spreadsheet import from_csv, to_csv

# Our own words: the published prompts belong to their projects. Scores compare with scores under the same hash alone.
_FORMAT = 'Answer with one JSON object and nothing after it: {"reasoning": "...", "score": [%s]}'
QUESTIONS: dict[str, tuple[Question, ...]] = {
    "gedit": (
        Question(
            "semantic",
            "The first picture was edited into the second by this instruction: {instruction}\n"
            "Give two numbers from 0 to 10. First, how well the second picture carries the instruction out: 0 not at "
            "all, 10 completely. Second, how well everything that the instruction does not ask to change has been "
            "kept: 0 it is another scene, 10 nothing else changed.\n" + _FORMAT % "instruction, kept",
            ("success", "kept"), 0, 10, shows_source=True,
        ),
        Question(
            "quality",
            "This picture was made by a program. Give two numbers from 0 to 10. First, how natural it looks as a "
            "whole (light, shadows, sense of distance): 0 not at all, 10 like a photograph or a drawing by hand. "
            "Second, how free it is of flaws such as distortion, blur, broken shapes or misplaced parts: 0 full of "
            "them, 10 none.\n" + _FORMAT % "natural, free of flaws",
            ("naturalness", "artifacts"), 0, 10, shows_source=False,
        ),
    ),
    "imgedit": (
        Question(
            "edit",
            "The first picture was edited into the second by this instruction: {instruction}\n"
            "Give three whole numbers from 1 (worst) to 5 (best): how well the instruction was carried out; how well "
            "the edited part fits the rest in style, light and edges; how well details that the instruction does not "
            "concern, and the physics of the scene, were kept. Neither the second nor the third number may be higher "
            "than the first.\n" + _FORMAT % "instruction, fit, kept",
            ("instruction", "fit", "kept"), 1, 5, shows_source=True,
        ),
    ),
}  # fmt: skip

#: The columns of ``judge.csv`` and what they are.
SCORES: dict[str, tuple[str, ...]] = {
    "gedit": ("judge/semantic", "judge/quality", "judge/overall"),
    "imgedit": ("judge/instruction", "judge/fit", "judge/kept", "judge/overall"),
}
_COLUMNS = ("sample_id", "edit_type", "status", "error")


def judge_pictures(
    name: str,
    samples: Samples,
    directory: Path,
    path_of: Callable[[BenchmarkSample], Path],
    judge: Judge,
    *,
    parallel: int = 4,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, float]:
    """Judge every edited picture in ``directory``; returns means and counts, as :func:`summary` does.

    ``judge.csv`` has a row per sample, in the order they finish; ``judge.jsonl`` every raw reply with its date,
    judge and prompt hash. A sample without a picture or without a usable reply is a failed row. With ``resume``,
    scores that are there are kept, and failed rows are asked for again.

    Args:
        name: ``gedit`` or ``imgedit``.
        samples: the benchmark's rows.
        directory: of the run.
        path_of: where a sample's picture lies in ``directory``.
        judge: who is asked.
        parallel: questions asked at the same time.
        resume: see above.
        progress: called with (samples done, samples in all).
    """
    stored = directory / "judge.csv"
    rows = _read(stored, SCORES[name]) if resume else {}
    write_atomic(stored, to_csv([[*_COLUMNS, *SCORES[name]], *rows.values()]))
    if not resume:
        (directory / "judge.jsonl").unlink(missing_ok=True)
    lock = Lock()

    def work(index: int) -> None:
        sample_id, edit_type, error, values = f"#{index}", "", "", list[float]()
        try:
            sample = BenchmarkSample.of(samples[index])
            sample_id, edit_type = one_line(sample.sample_id), one_line(sample.edit_type)
            if sample_id in rows:
                return
            scores = _judge(name, sample, directory / path_of(sample), judge, record)
            values = [scores[column] for column in SCORES[name]]
        except WriteError:  # a reply that is lost is no refusal
            raise
        except Exception as problem:  # whatever went wrong is this row's failure alone
            error = told(problem)
        status = "failed" if error else "ok"
        scored = map(repr, values) if values else [""] * len(SCORES[name])
        with lock:
            rows[sample_id] = [sample_id, edit_type, status, error, *scored]
            append(stored, to_csv([[sample_id, edit_type, status, error, *(values or scored)]]))
            if progress is not None:
                progress(len(rows), len(samples))

    def record(facts: Mapping[str, Any]) -> None:
        with lock:
            append(directory / "judge.jsonl", json.dumps(facts) + "\n")

    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(work, range(len(samples))))
    return summary(name, list(rows.values()))


def summary(name: str, rows: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return ``judge/n``, ``judge/failed``, the mean of each score, and ``judge/overall[group]``.

    GEdit's means are means over samples in each group, then over groups; ImgEdit's are over samples.
    """
    scored = [row for row in rows if row[2] == "ok"]
    found: dict[str, float] = {"judge/n": len(scored), "judge/failed": len(rows) - len(scored)}
    groups = sorted({row[1] for row in scored})
    for position, column in enumerate(SCORES[name], len(_COLUMNS)):
        means = {
            group: _mean([float(row[position]) for row in scored if row[1] == group]) for group in groups
        }
        if column == "judge/overall":
            found |= {f"{column}[{group}]": mean for group, mean in means.items()}
        if scored:
            whole = list(means.values()) if name == "gedit" else [float(row[position]) for row in scored]
            found[column] = _mean(whole)
    return found


def _judge(
    name: str,
    sample: BenchmarkSample,
    picture: Path,
    judge: Judge,
    record: Callable[[Mapping[str, Any]], None],
) -> dict[str, float]:
    edited, buffer = picture.read_bytes(), io.BytesIO()
    Image.fromarray(sample.source).save(buffer, format="PNG")
    found: dict[str, float] = {}
    for question in QUESTIONS[name]:
        pictures = [buffer.getvalue(), edited] if question.shows_source else [edited]
        found |= judge.ask(
            question,
            sample.instruction,
            pictures,
            lambda facts: record({"sample_id": sample.sample_id, **facts}),
        )
    if name == "gedit":
        semantic, quality = (
            min(found["success"], found["kept"]),
            min(found["naturalness"], found["artifacts"]),
        )
        overall = math.sqrt(semantic * quality)
        return {"judge/semantic": semantic, "judge/quality": quality, "judge/overall": overall}
    values = {f"judge/{score}": found[score] for score in ("instruction", "fit", "kept")}
    return values | {"judge/overall": _mean(list(values.values()))}


def _read(path: Path, scores: Sequence[str]) -> dict[str, list[str]]:
    """Whole rows with scores of an earlier run of the same benchmark, by sample."""
    stored = path.read_bytes() if path.is_file() else b""
    header, *rows = from_csv(stored[: stored.rfind(b"\n") + 1].decode()) if b"\n" in stored else [[]]
    return {row[0]: row for row in rows if row[2] == "ok"} if header == [*_COLUMNS, *scores] else {}


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
