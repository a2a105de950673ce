"""What a judge said of edits two at a time: who was better, how sure that is, and how much the order mattered."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from editmgt.analysis.ratings import Ratings, ratings
from editmgt.evaluation.compared_pictures import FIRST, SAME, SECOND, TABLE, outcome, read_comparisons
from editmgt.report.numbers import number, percent
from editmgt.results import SweepDirectory
from editmgt.spreadsheet import to_csv

OVERALL = "overall"


@dataclass(frozen=True)
class Tournament:
    """The comparisons of a benchmark's edits.

    Attributes:
        benchmark: its name.
        names: of who made the edits, the highest overall rating first.
        ratings: by question, and ``overall``, which counts all of them alike; in the order of ``names``.
        tally: wins, ties and losses of each name.
        asked: comparisons that were asked for in both orders.
        agreed: those of ``asked`` in which both orders brought the same answer.
        same: comparisons of pictures that are equal, ties without asking.
        failed: comparisons without an answer; no rating knows of them.
    """

    benchmark: str
    names: Sequence[str]
    ratings: dict[str, Ratings]
    tally: Sequence[tuple[int, int, int]]
    asked: int
    agreed: int
    same: int
    failed: int

    @property
    def consistency(self) -> float:
        """Share of the comparisons whose answer did not depend on the order; NaN where none was asked for."""
        return self.agreed / self.asked if self.asked else math.nan


def read_tournaments(directory: Path) -> tuple[list[Tournament], list[str]]:
    """Return the tournaments that a run or a sweep holds, and a line for each that cannot be read."""
    found, broken = [], []
    for path in sorted(SweepDirectory(directory).comparisons.glob(f"*/{TABLE}")):
        try:
            found.append(tournament(path.parent.name, read_comparisons(path)))
        except (OSError, ValueError) as error:
            broken.append(f"{path} is corrupt: {' '.join(str(error).split())}")
    return found, broken


def tournament(benchmark: str, rows: Sequence[dict[str, str]]) -> Tournament:
    """Return what comparisons come to; the order of ``rows`` changes nothing but the draws of the intervals."""
    names = list(dict.fromkeys(row[side] for row in rows for side in ("first", "second")))
    judged = [row for row in rows if row["status"] == "ok"]
    place = {name: position for position, name in enumerate(names)}
    clusters = {source: i for i, source in enumerate(sorted({row["source_id"] for row in judged}))}
    questions = list(dict.fromkeys(row["question"] for row in judged))
    wins = np.zeros((len(questions), len(clusters), len(names), len(names)))
    tally = np.zeros((len(names), 3), int)
    for row in judged:
        a, b = place[row["first"]], place[row["second"]]
        better = outcome(row["shown"], row["swapped"])
        share = {FIRST: 1.0, SECOND: 0.0}.get(better, 0.5)
        at = questions.index(row["question"]), clusters[row["source_id"]]
        wins[(*at, a, b)] += share
        wins[(*at, b, a)] += 1 - share
        tally[a, int(2 - 2 * share)] += 1
        tally[b, int(2 * share)] += 1
    rated = {OVERALL: ratings(wins.sum(0))} if judged else {}
    rated |= {question: ratings(wins[i]) for i, question in enumerate(questions)}
    overall = rated[OVERALL].estimate if judged else np.zeros(len(names))
    order = sorted(range(len(names)), key=lambda i: (math.isnan(overall[i]), -overall[i]))
    asked = [row for row in judged if row["shown"] != SAME]
    return Tournament(
        benchmark,
        [names[i] for i in order],
        {name: Ratings(r.estimate[order], r.low[order], r.high[order]) for name, r in rated.items()},
        [(int(won), int(tied), int(lost)) for won, tied, lost in tally[order]],
        len(asked),
        sum(row["shown"] == row["swapped"] for row in asked),
        len(judged) - len(asked),
        len(rows) - len(judged),
    )


def rating(found: Ratings, place: int) -> str:
    """Return ``1024 [1010, 1038]``, or the rating alone where it has no interval."""
    values = [number(float(values[place]), 0) for values in (found.estimate, found.low, found.high)]
    return f"{values[0]} [{values[1]}, {values[2]}]" if math.isfinite(found.low[place]) else values[0]


def table(found: Tournament) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of a tournament's table."""
    header = ["", *(f"{name} [95%]" for name in found.ratings), "wins", "ties", "losses"]
    rows = [
        [name, *(rating(values, place) for values in found.ratings.values()), *map(str, found.tally[place])]
        for place, name in enumerate(found.names)
    ]
    return header, rows


def said(found: Tournament) -> str:
    """Return how the comparisons went, in a sentence or two."""
    text = (
        f"{found.asked:,} comparisons on {found.benchmark}, each asked in both orders; consistency: "
        f"{percent(found.consistency)} had the same answer in both, the others count as ties."
    )
    if found.same:
        text += f" {found.same:,} of equal pictures are ties that nobody was asked about."
    return text + (f" {found.failed:,} failed and are left out." if found.failed else "")


def ratings_csv(tournaments: Sequence[Tournament]) -> str:
    """A row for every benchmark, question and editor."""
    rows: list[list[object]] = [
        ["benchmark", "question", "name", "rating", "low", "high", "wins", "ties", "losses", "asked",
         "consistency", "same", "failed"]
    ]  # fmt: skip
    for found in tournaments:
        counts = [found.asked, found.consistency, found.same, found.failed]
        for question, values in found.ratings.items():
            for place, name in enumerate(found.names):
                numbers = [float(x[place]) for x in (values.estimate, values.low, values.high)]
                won = found.tally[place] if question == OVERALL else ("", "", "")
                rows.append([found.benchmark, question, name, *numbers, *won, *counts])
    return to_csv(rows)
