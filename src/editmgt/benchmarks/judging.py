"""What a vision-language model is asked about an edit, or about two, and what its answers come to."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

# Our own words: the published prompts belong to their projects. Scores compare with scores under the same hash alone.
ANSWER = 'Answer with one JSON object and nothing after it: {"reasoning": "...", "score": [%s]}'


@dataclass(frozen=True)
class Prompt:
    """What the judge is asked."""

    name: str
    prompt: str  # ``{instruction}`` is filled in

    @property
    def digest(self) -> str:
        """Hash of the prompt: scores under other prompts do not compare."""
        return hashlib.sha256(self.prompt.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Question(Prompt):
    """What the judge is asked about one edit."""

    scores: tuple[str, ...]  # the names of the numbers in the reply, in order
    low: float
    high: float
    shows_source: bool  # before the edited picture


@dataclass(frozen=True)
class Judging:
    """How a benchmark is judged."""

    questions: tuple[Question, ...]  # about each sample
    scores: tuple[str, ...]  # the names of a sample's scores, ``judge/overall`` last
    of_answers: Callable[[Mapping[str, float]], tuple[float, ...]]  # the answers by their names -> the scores
    by_type: bool  # a score is the mean over samples of each edit type, then over types; else over samples


def _comparison(name: str, better: str) -> Prompt:
    return Prompt(
        name,
        "The first picture is the source. Two programs edited it by this instruction: {instruction}\n"
        f"The second picture is edit A, the third is edit B. Which edit is better, by this alone: {better} "
        "The order in which they are shown means nothing; where neither is better, it is a tie.\n"
        'Answer with one JSON object and nothing after it: {"reasoning": "...", "winner": "A", "B" or "tie"}',
    )


# What any benchmark's edits can be compared by, two at a time: GEditBench v2's three criteria, of which
# ``kept`` is what it calls visual consistency.
COMPARISONS = (
    _comparison("instruction", "how completely the instruction is carried out, on the right object and place?"),
    _comparison("quality", "how natural the picture is, and how free of distortion, blur, seams and misplaced parts?"),
    _comparison("kept", "how well everything that the instruction does not ask to change is as in the source?"),
)  # fmt: skip
