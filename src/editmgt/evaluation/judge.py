"""A vision-language model as judge, through any OpenAI-compatible endpoint that the user names."""

import base64
import json
import os
import random
import re
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx

from editmgt.benchmarks.judging import Prompt, Question
from editmgt.config.benchmark import JudgeSettings
from editmgt.errors import on_one_line

Answer = TypeVar("Answer")
_PAUSE = 1.0  # seconds before the second attempt; doubled for each further one
_LONGEST_PAUSE = 60.0
_REFUSED = {400, 422}  # of what was asked, not of who asked
_NUMBER = re.compile(r"\s*[+-]?[0-9]+(\.[0-9]+)?\s*")
_WINNER = re.compile(r"\s*(?:(?:image|edit) )?(A|B|tie)\s*", re.IGNORECASE)
_RETRIED = {408, 409, 425, 429}  # and every 5xx: the endpoint may be able to answer later


class JudgeFailed(Exception):
    """No usable reply, after all attempts."""


class Judge:
    """Asks questions of the ``model`` at an ``endpoint`` such as ``http://localhost:8000/v1``, patiently.

    Args:
        key: sent as bearer token; None: none.
        attempts: for each question, with growing pauses between them.
        temperature: of the answers; None sends none. An endpoint that refuses it is asked without from then on, for
            newer models answer at their own.
    """

    def __init__(
        self,
        endpoint: str,
        model: str,
        key: str | None = None,
        attempts: int = 5,
        timeout: float = 120.0,
        pause: float = _PAUSE,
        temperature: float | None = 0.0,
    ) -> None:
        self.model, self.attempts, self.pause, self.temperature = model, attempts, pause, temperature
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(timeout=timeout, headers=headers)
        self._url = f"{endpoint.rstrip('/')}/chat/completions"

    @classmethod
    def of(cls, settings: JudgeSettings) -> "Judge":
        """Return the judge of a ``benchmark.judge`` configuration that names its endpoint and its model."""
        assert settings.endpoint is not None and settings.model is not None  # `config.problems` says so
        return cls(
            settings.endpoint,
            settings.model,
            os.environ.get(settings.key_variable),
            settings.attempts,
            settings.timeout,
            temperature=settings.temperature,
        )

    def ask(
        self,
        question: Prompt,
        instruction: str,
        pictures: Sequence[bytes],
        read: Callable[[str], Answer],
        record: Callable[[Mapping[str, Any]], None],
    ) -> Answer:
        """Return what ``read`` makes of the reply; every attempt goes to ``record``, its raw reply or what went wrong.

        Args:
            pictures: PNG files, in the order the prompt speaks of them.
            read: the reply's text -> the answer; a ``ValueError`` where it is none, and it is asked for again.
            record: called with date, judge, temperature, prompt hash, attempt and reply.

        Raises:
            JudgeFailed: when no attempt brought a usable reply.
        """
        content: list[dict[str, Any]] = [
            {"type": "text", "text": question.prompt.replace("{instruction}", instruction)}
        ]
        for picture in pictures:
            url = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
            content.append({"type": "image_url", "image_url": {"url": url}})
        body = {"model": self.model, "messages": [{"role": "user", "content": content}]}
        error = ""
        for attempt in range(1, self.attempts + 1):
            temperature = self.temperature  # another thread may find that it is refused
            facts = {
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
                "judge": self.model,
                "temperature": temperature,
                "question": question.name,
                "prompt_sha256": question.digest,
                "attempt": attempt,
            }
            wait = min(self.pause * 2 ** (attempt - 1) * random.uniform(0.75, 1.25), _LONGEST_PAUSE)
            reply = None
            try:
                response = self._post(body, temperature)
                if temperature is not None and _refuses_temperature(response):
                    record(facts | _refusal(response))
                    facts["temperature"] = None
                    response = self._post(body, None)
                    if response.status_code == 200 and self.temperature is not None:
                        self.temperature = None
                        warnings.warn(
                            f"{self.model} refuses temperature={temperature:g}: it is asked without",
                            stacklevel=2,
                        )
                if response.status_code in _RETRIED or response.status_code >= 500:
                    after = response.headers.get("retry-after", "")
                    wait = min(float(after), _LONGEST_PAUSE) if after.isdigit() else wait
                    raise JudgeFailed(f"HTTP {response.status_code}")
                if response.status_code != 200:
                    record(facts | _refusal(response))
                    raise _Refused(f"HTTP {response.status_code}: {response.text[:200]}")
                reply = response.text
                answer = read(response.json()["choices"][0]["message"]["content"])
                record(facts | {"reply": reply})
                return answer
            except (httpx.TransportError, ValueError, LookupError, TypeError, JudgeFailed) as problem:
                error = on_one_line(problem)
                record(facts | {"error": error, "reply": reply})
            if attempt < self.attempts:
                time.sleep(wait)
        raise JudgeFailed(f"no usable reply in {self.attempts} attempts; the last: {error}")

    def _post(self, body: dict[str, Any], temperature: float | None) -> httpx.Response:
        given = {} if temperature is None else {"temperature": temperature}
        return self._client.post(self._url, json=body | given)


class _Refused(Exception):
    """The endpoint will not answer this, however often it is asked."""


def _refuses_temperature(response: httpx.Response) -> bool:
    return response.status_code in _REFUSED and "temperature" in response.text


def _refusal(response: httpx.Response) -> dict[str, str]:
    return {"error": f"HTTP {response.status_code}", "reply": response.text}


def read_scores(text: str, question: Question) -> dict[str, float]:
    """Return the scores from a reply that holds ``{"score": [...]}``, whatever stands around it.

    Line breaks inside its texts, which JSON forbids, and numbers in quotes are read as what they can only mean. A
    ``ValueError`` for anything else (none, several that differ, another count, out of range): a score is never guessed.
    """
    values = _said(text, "score")
    if not isinstance(values, list) or not all(_is_number(value) for value in values):
        raise ValueError(f"the score is no list of numbers: {values}")
    values = [float(value) if isinstance(value, str) else value for value in values]
    if len(values) != len(question.scores):
        raise ValueError(f"expected {len(question.scores)} scores, not {values}")
    if not all(question.low <= value <= question.high for value in values):
        raise ValueError(f"scores {values} are not all in {question.low:g} to {question.high:g}")
    return dict(zip(question.scores, map(float, values), strict=True))


def read_winner(text: str) -> str:
    """Return ``A``, ``B`` or ``tie`` from a reply that holds ``{"winner": ...}``, whatever stands around it.

    "Image A", as judges say that were trained for it, is A. A ``ValueError`` for none, several that differ, or another winner.
    """
    said = _said(text, "winner")
    found = _WINNER.fullmatch(said) if isinstance(said, str) else None
    if found is None:
        raise ValueError(f"the winner is not A, B or tie: {said}")
    return found[1].lower() if len(found[1]) > 1 else found[1].upper()


def _said(text: str, key: str) -> Any:
    """What the JSON objects in a reply say under ``key``, all of them the same."""
    decoder = json.JSONDecoder(strict=False)
    found = []
    for match in re.finditer(r"\{", text):
        try:
            found.append(decoder.raw_decode(text, match.start())[0][key])
        except (ValueError, KeyError, RecursionError):
            continue
    if not found:
        raise ValueError(f"the reply holds no JSON object with a {key}")
    if any(other != found[0] for other in found):
        raise ValueError(f"the reply holds several {key}s: {', '.join(map(str, found))}")
    return found[0]


def _is_number(value: object) -> bool:
    return type(value) in (int, float) or (isinstance(value, str) and _NUMBER.fullmatch(value) is not None)
