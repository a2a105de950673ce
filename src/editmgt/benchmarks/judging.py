"""What a vision-language model is asked about an edit, and what its answers come to."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

# Our own words: the published prompts belong to their projects. Scores compare with scores under the same hash alone.
ANSWER = 'Answer with one JSON object and nothing after it: {"reasoning": "...", "score": [%s]}'


@dataclass(frozen=True)
class Question:
    """What the judge is asked about a sample.

    Attributes:
        name: of the question.
        prompt: text; ``{instruction}`` is filled in.
        scores: the names of the numbers in the reply, in order.
        low, high: their range.
        shows_source: whether the judge sees the source before the edited picture.
    """

    name: str
    prompt: str
    scores: tuple[str, ...]
    low: float
    high: float
    shows_source: bool

    @property
    def digest(self) -> str:
        """Hash of the prompt: scores under other prompts do not compare."""
        return hashlib.sha256(self.prompt.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Judging:
    """How a benchmark is judged.

    Attributes:
        questions: asked about each sample.
        scores: the names of a sample's scores, ``judge/overall`` last.
        of_answers: the answers by their names -> the scores.
        by_type: whether a score is the mean over samples of each edit type, then over types; else over samples.
    """

    questions: tuple[Question, ...]
    scores: tuple[str, ...]
    of_answers: Callable[[Mapping[str, float]], tuple[float, ...]]
    by_type: bool
