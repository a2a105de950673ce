"""A judge behind a real HTTP server on this machine: answers, refusals, time-outs, nonsense."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from full_disk import full_disk
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from editmgt.benchmarks import EditSample
from editmgt.benchmarks.protocols import gedit, protocol
from editmgt.evaluation.judge import Judge, read_scores
from editmgt.evaluation.judged_pictures import judge_pictures, summary
from editmgt.files import WriteError


class Endpoint(ThreadingHTTPServer):
    """Answers chat completions; ``plan`` says, by instruction, what the first replies are."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan: dict[str, list[Any]] = {}
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.refuses: tuple[int, str] | None = None  # the answer to a request with a temperature

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        self.server.keys.append(self.headers.get("Authorization"))
        content = body["messages"][0]["content"]
        text = content[0]["text"]
        step: Any = None
        for instruction, steps in self.server.plan.items():
            if instruction in text and steps:
                step = steps.pop(0)
        if step == "slow":
            time.sleep(0.6)
        status = step if isinstance(step, int) else 200
        refuses = self.server.refuses
        if refuses is not None and "temperature" in body:
            self._answer(refuses[0], refuses[1])
            return
        reply = (
            step
            if isinstance(step, str) and step != "slow"
            else '```json {"reasoning": "{x", "score": [8, 6]}```'
        )
        if "three whole numbers" in text and not isinstance(step, str):
            reply = '{"score": [4, 3, 2]}'
        self._answer(status, json.dumps({"choices": [{"message": {"content": reply}}]}))

    def _answer(self, status: int, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def rows(directory: Path, *instructions: str) -> list[EditSample]:
    pixels = np.zeros((8, 8, 3), np.uint8)
    samples = [EditSample(f"k{i}", f"k{i}", pixels, text, f"t{i % 2}") for i, text in enumerate(instructions)]
    for sample in samples:
        Image.fromarray(pixels).save(directory / f"{sample.sample_id}.png")
    return samples


def judged(
    directory: Path, samples: list[EditSample], endpoint: Endpoint, **options: Any
) -> dict[str, float]:
    judging = protocol(options.pop("name", "gedit")).JUDGING
    temperature = options.pop("temperature", 0.0)
    judge = Judge(
        endpoint.url, "seer", "secret", attempts=3, timeout=0.3, pause=0.01, temperature=temperature
    )
    return judge_pictures(judging, samples, directory, lambda s: Path(f"{s.sample_id}.png"), judge, **options)


def test_scores_replies_and_what_identifies_them(endpoint: Endpoint, tmp_path: Path) -> None:
    found = judged(tmp_path, rows(tmp_path, "one", "two"), endpoint)
    assert (found["judge/n"], found["judge/failed"]) == (2, 0)
    assert found["judge/semantic"] == found["judge/quality"] == found["judge/overall"] == 6
    replies = [json.loads(line) for line in (tmp_path / "judge.jsonl").read_text().splitlines()]
    assert len(replies) == 4
    assert {reply["prompt_sha256"] for reply in replies} == {
        question.digest for question in gedit.JUDGING.questions
    }
    assert all(
        reply["judge"] == "seer" and reply["date"] and "choices" in reply["reply"] for reply in replies
    )
    assert set(endpoint.keys) == {"Bearer secret"} and "secret" not in (tmp_path / "judge.jsonl").read_text()
    pictures = sorted(len(body["messages"][0]["content"]) - 1 for body in endpoint.bodies)
    assert pictures == [1, 1, 2, 2]  # quality is judged without the source
    assert "one" in json.dumps(endpoint.bodies) and "{instruction}" not in json.dumps(endpoint.bodies)


def test_imgedit_scores(endpoint: Endpoint, tmp_path: Path) -> None:
    found = judged(tmp_path, rows(tmp_path, "one"), endpoint, name="imgedit")
    assert (found["judge/instruction"], found["judge/fit"], found["judge/kept"]) == (4, 3, 2)
    assert found["judge/overall"] == 3


def test_trouble_is_retried_with_pauses_and_then_recorded(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.plan = {
        "busy": [503, 429],  # answers at the third attempt
        "deaf": ["slow"] * 3,
        "babble": ["no idea", '{"score": [11, 2]}', '{"score": [1]}'],
        "barred": [401],
    }
    samples = rows(tmp_path, "busy", "deaf", "babble", "barred")
    (tmp_path / "k4.png").unlink(missing_ok=True)
    samples.append(EditSample("gone", "gone", samples[0].source, "x", "t0"))
    found = judged(tmp_path, samples, endpoint)
    assert (found["judge/n"], found["judge/failed"]) == (
        1,
        3,
    )  # what has no picture would have none the next time
    assert found["judge/overall"] == 6  # failed rows count nowhere
    table = {line.split(",")[0]: line for line in (tmp_path / "judge.csv").read_text().splitlines()[1:]}
    assert (
        "ok" in table["k0"]
        and "no usable reply in 3 attempts" in table["k1"]
        and "ReadTimeout" in table["k1"]
    )
    assert (
        "expected 2 scores" in table["k2"]
        and "HTTP 401" in table["k3"]
        and "no edit,FileNotFoundError" in table["gone"]
    )
    records = [json.loads(line) for line in (tmp_path / "judge.jsonl").read_text().splitlines()]
    assert len([r for r in records if r["sample_id"] == "k1" and "error" in r]) == 3
    assert len([r for r in records if r["sample_id"] == "k3"]) == 1  # a refusal is not asked again


def test_resume_asks_nothing_twice(endpoint: Endpoint, tmp_path: Path) -> None:
    samples = rows(tmp_path, "one", "two", "three")
    judged(tmp_path, samples[:2], endpoint)
    asked = len(endpoint.bodies)
    with (tmp_path / "judge.csv").open("a") as file:
        file.write("k2,t0,o")  # torn
    found = judged(tmp_path, samples, endpoint, resume=True)
    assert len(endpoint.bodies) == asked + 2 and found["judge/n"] == 3
    assert (tmp_path / "judge.csv").read_text().count("\n") == 4


def test_resume_asks_again_where_nobody_answered(endpoint: Endpoint, tmp_path: Path) -> None:
    samples = rows(tmp_path, "zebra", "yak")
    endpoint.plan = {"zebra": [401, 401]}
    assert judged(tmp_path, samples, endpoint)["judge/failed"] == 1
    asked = len(endpoint.bodies)
    endpoint.plan = {}
    found = judged(tmp_path, samples, endpoint, resume=True)
    assert len(endpoint.bodies) == asked + 2  # the two questions of one sample
    assert (found["judge/n"], found["judge/failed"]) == (2, 0)
    assert (tmp_path / "judge.csv").read_text().count("\n") == 3


def test_gedits_mean_is_over_groups() -> None:
    def row(name: str, group: str, value: float) -> list[str]:
        return [name, group, "ok", "", repr(value), repr(value), repr(value)]

    found = summary(gedit.JUDGING, [row("a", "x", 1.0), row("b", "x", 3.0), row("c", "y", 8.0)])
    assert found["judge/overall"] == 5 and found["judge/overall[x]"] == 2


REFUSALS = [
    (400, '{"error": {"message": "Unsupported value: \'temperature\' does not support 0 with this model. Only the '
          'default (1) value is supported.", "param": "temperature", "code": "unsupported_value"}}'),
    (400, '{"error": {"message": "`temperature` is deprecated for this model."}}'),
    (422, '{"detail": [{"loc": ["body", "temperature"], "msg": "Extra inputs are not permitted"}]}'),
]  # fmt: skip


@pytest.mark.parametrize("refusal", REFUSALS)
def test_an_endpoint_that_refuses_a_temperature_is_asked_without(
    endpoint: Endpoint, tmp_path: Path, refusal: tuple[int, str]
) -> None:
    endpoint.refuses = refusal
    samples = rows(tmp_path, "one", "two", "three")
    with pytest.warns(UserWarning, match="seer refuses temperature=0: it is asked without") as warned:
        found = judged(tmp_path, samples, endpoint, parallel=1)
    assert (found["judge/n"], found["judge/failed"], len(warned)) == (3, 0, 1)
    assert [("temperature" in body) for body in endpoint.bodies] == [True] + [False] * 6
    records = [json.loads(line) for line in (tmp_path / "judge.jsonl").read_text().splitlines()]
    assert [record["temperature"] for record in records] == [0.0] + [None] * 6
    assert records[0]["error"] == f"HTTP {refusal[0]}" and records[0]["reply"] == refusal[1]


def test_another_refusal_is_not_taken_for_the_temperatures(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.refuses = (400, '{"error": {"message": "the picture is too large"}}')
    found = judged(tmp_path, rows(tmp_path, "one"), endpoint)
    assert found["judge/failed"] == 1 and len(endpoint.bodies) == 1
    assert "too large" in (tmp_path / "judge.csv").read_text()


@pytest.mark.parametrize("temperature", [None, 0.0, 0.7])
def test_the_temperature_is_the_users(endpoint: Endpoint, tmp_path: Path, temperature: float | None) -> None:
    judged(tmp_path, rows(tmp_path, "one"), endpoint, temperature=temperature)
    assert {body.get("temperature") for body in endpoint.bodies} == {temperature}
    assert all(("temperature" in body) == (temperature is not None) for body in endpoint.bodies)


@pytest.mark.parametrize(
    "reply",
    [
        '{"reasoning": "one line\nand another,\ta tab", "score": [8, 6.5]}',
        '```json\n{"reasoning": "ok",\n "score": [8, 6.5]}\n```',
        'Let me see {braces}.\n```\n{"score": ["8", " 6.5 "]}\n```\nThat is all.',
        '{"score": ["+8", "6.50"], "details": {"more": 1}}',
    ],
)
def test_answers_as_they_come(endpoint: Endpoint, tmp_path: Path, reply: str) -> None:
    assert read_scores(reply, gedit.JUDGING.questions[0]) == {"success": 8, "kept": 6.5}
    endpoint.plan = {"zebra": [reply] * 2}
    assert judged(tmp_path, rows(tmp_path, "zebra"), endpoint)["judge/semantic"] == 6.5


BAD = ['["eight", 7]', '["8/10", 7]', '["", 7]', '["8%", 7]', '["8 or 9", 7]', '["NaN", 7]', '[NaN, 7]', '["1e1", 7]',
       '[true, 7]', '[null, 7]', '[8]', '[8, 7, 6]', '[[8, 7]]', '"8, 7"', '{"success": 8}', '["11", 7]', '["-1", 7]',
       "[1" + "0" * 400 + ", 7]"]  # fmt: skip


@pytest.mark.parametrize("score", BAD)
def test_what_is_no_list_of_numbers_in_range_is_refused(score: str) -> None:
    with pytest.raises(ValueError):
        read_scores(f'{{"score": {score}}}', gedit.JUDGING.questions[0])


@given(text=st.text(max_size=80))
def test_a_score_is_never_guessed(text: str) -> None:
    with pytest.raises(ValueError):
        read_scores(text + '{"score": ["eight", 7]}', gedit.JUDGING.questions[0])


def test_of_several_scores_none_is_chosen() -> None:
    question = gedit.JUDGING.questions[0]
    with pytest.raises(ValueError, match="several scores"):
        read_scores('{"score": [8, 7]} though at first {"score": [1, 2]}', question)
    assert read_scores('{"score": [8, 7]}, so: {"score": [8, 7]}', question) == {"success": 8, "kept": 7}


def test_ids_and_types_that_would_run_in_a_spreadsheet(endpoint: Endpoint, tmp_path: Path) -> None:
    samples = [replace(sample, edit_type="=1+1") for sample in rows(tmp_path, "one")]
    found = judged(tmp_path, samples, endpoint)
    assert ",'=1+1," in "," + (tmp_path / "judge.csv").read_text().splitlines()[1].split(",", 1)[1]
    again = judged(tmp_path, samples, endpoint, resume=True)
    assert again == found and again["judge/overall[=1+1]"] == 6


def test_a_full_disk_is_no_refusal(endpoint: Endpoint, tmp_path: Path) -> None:
    samples = rows(tmp_path, *"abcdef")
    with full_disk(900), pytest.raises(WriteError, match=r"cannot write .*judge"):
        judged(tmp_path, samples, endpoint, parallel=1)
    assert "failed" not in (tmp_path / "judge.csv").read_text()
    found = judged(tmp_path, samples, endpoint, resume=True)
    assert (found["judge/n"], found["judge/failed"]) == (6, 0)
    for line in (tmp_path / "judge.jsonl").read_text().splitlines():
        json.loads(line)
