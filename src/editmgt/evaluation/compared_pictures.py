"""Edits put before the judge two at a time, in both orders, and its answers kept."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from threading import Lock
from typing import Any

from PIL import Image

from editmgt.benchmarks.judging import COMPARISONS, Prompt
from editmgt.data.sample import EditSample, Samples
from editmgt.editing.images import upright_rgb
from editmgt.editing.picture_files import png, read_image
from editmgt.evaluation.faults import told
from editmgt.evaluation.judge import Judge, read_winner
from editmgt.files import WriteError, append, whole_lines, write_atomic
from editmgt.results.rows import one_line
from editmgt.results.run_directory import REPLIES
from editmgt.spreadsheet import from_csv, to_csv

TABLE, _ANSWERS = "comparisons.csv", "answers.csv"
_ASKED = ("sample_id", "source_id", "edit_type", "first", "second", "question")
COLUMNS = (*_ASKED, "status", "error", "shown", "swapped")
FIRST, SECOND, TIE, SAME = "first", "second", "tie", "same picture"
_SHOWN = {"A": FIRST, "B": SECOND, "tie": TIE}
_SWAPPED = {"A": SECOND, "B": FIRST, "tie": TIE}


@dataclass(frozen=True)
class Contestant:
    """Who made edits, by the name that tables have."""

    name: str
    picture: Callable[[EditSample], Path | None]  # the file of its edit; None where there was never to be one
    of_others: bool = False  # a gallery brought them: two such are not compared with each other


def compare_pictures(
    contestants: Sequence[Contestant],
    samples: Samples,
    directory: Path,
    judge: Judge,
    *,
    parallel: int = 4,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[dict[str, str]]:
    """Ask of every sample which of two edits is better; returns the rows of ``comparisons.csv`` in ``directory``.

    A row is a sample, two contestants and a question: who was better in the order shown and in the other one (``first``,
    ``second``, ``tie``; pictures that are the same are not asked about). A sample that cannot be read, a picture that is
    not there and a reply that is of no use are failed rows. ``judge.jsonl`` has every raw reply.

    Answers are kept by all that they hang on (prompt, judge, instruction, pictures), so nothing is asked twice, and what
    failed is asked again. ``parallel`` samples are asked about at the same time.
    """
    directory.mkdir(parents=True, exist_ok=True)
    pairs = [(a, b) for a, b in combinations(contestants, 2) if not (a.of_others and b.of_others)]
    answers = _read_answers(directory / _ANSWERS)
    write_atomic(directory / _ANSWERS, to_csv([*key, said] for key, said in answers.items()))
    who = judge.model, judge.temperature  # as asked for: an endpoint may come to be asked without
    lock, done = Lock(), 0

    def record(facts: Mapping[str, Any]) -> None:
        with lock:
            append(directory / REPLIES, json.dumps(facts) + "\n")

    def ask(question: Prompt, sample: EditSample, pictures: Sequence[bytes], names: Sequence[str]) -> str:
        key = (question.name, _digest((question.digest, *who), sample, pictures))
        if key not in answers:
            facts = {"sample_id": sample.sample_id, "A": names[0], "B": names[1], "asked": key[1]}
            said = judge.ask(
                question, sample.request, pictures, read_winner, lambda more: record({**facts, **more})
            )
            with lock:
                append(directory / _ANSWERS, to_csv([[*key, said]]))
                answers[key] = said
        return answers[key]

    def work(index: int) -> list[list[str]]:
        nonlocal done
        rows = [[one_line(cell) for cell in row] for row in _rows(samples, index, pairs, ask)]
        with lock:
            done += 1
            progress(done, len(samples))
        return rows

    with ThreadPoolExecutor(parallel) as pool:
        table = [row for rows in pool.map(work, range(len(samples))) for row in rows]
    write_atomic(directory / TABLE, to_csv([COLUMNS, *table]))
    return [dict(zip(COLUMNS, row, strict=True)) for row in table]


def outcome(shown: str, swapped: str) -> str:
    """Return who is better by the two answers; one that depends on the order is a tie."""
    return shown if shown == swapped else TIE


def read_comparisons(path: Path) -> list[dict[str, str]]:
    """Return the rows of a ``comparisons.csv``; a ``ValueError`` for a file that is not one."""
    header, *rows = from_csv(path.read_bytes().decode()) or [[]]
    if tuple(header) != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def _rows(
    samples: Samples,
    index: int,
    pairs: Sequence[tuple[Contestant, Contestant]],
    ask: Callable[[Prompt, EditSample, Sequence[bytes], Sequence[str]], str],
) -> Iterator[list[str]]:
    """Yield a sample's rows."""

    @cache
    def edit(path: Path) -> bytes:
        return png(upright_rgb(read_image(path)))

    sample_id, source_id, edit_type, broken = f"#{index}", "", "", ""
    try:
        sample = samples[index]
        sample_id, source_id, edit_type = sample.sample_id, sample.source_id, sample.edit_type
        source = png(Image.fromarray(sample.source))
    except Exception as problem:  # whatever went wrong is this sample's failure alone
        broken = told(problem)
    for a, b in pairs:
        paths = () if broken else (a.picture(sample), b.picture(sample))
        if None in paths:
            continue
        for question in COMPARISONS:
            error, shown, swapped = broken, "", ""
            try:
                if not broken:
                    first, second = (edit(path) for path in paths if path)
                    if first == second:
                        shown = swapped = SAME
                    else:
                        shown = _SHOWN[ask(question, sample, (source, first, second), (a.name, b.name))]
                        swapped = _SWAPPED[ask(question, sample, (source, second, first), (b.name, a.name))]
            except WriteError:  # a reply that is lost is no refusal
                raise
            except Exception as problem:
                error, shown, swapped = told(problem), "", ""
            asked = [sample_id, source_id, edit_type, a.name, b.name, question.name]
            yield [*asked, "failed" if error else "ok", error, shown, swapped]


def _digest(asked_by: tuple[object, ...], sample: EditSample, pictures: Sequence[bytes]) -> str:
    """Hash of everything that an answer hangs on."""
    total = hashlib.sha256(repr((*asked_by, sample.request)).encode())
    for picture in pictures:
        total.update(hashlib.sha256(picture).digest())
    return total.hexdigest()


def _read_answers(path: Path) -> dict[tuple[str, str], str]:
    """Whole lines of earlier answers; one that a kill has torn is asked for again."""
    rows = from_csv(whole_lines(path).decode())
    return {(row[0], row[1]): row[2] for row in rows if len(row) == 3}
