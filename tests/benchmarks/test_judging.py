"""A judge behind a real HTTP server on this machine: answers, refusals, time-outs, nonsense."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from editmgt.benchmarks import BenchmarkSample
from editmgt.benchmarks.judge import Judge, read_scores
from editmgt.benchmarks.judging import QUESTIONS, judge_pictures, summary


class Endpoint(ThreadingHTTPServer):
    """Answers chat completions; ``plan`` says, by instruction, what the first replies are."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan: dict[str, list[Any]] = {}
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []

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
        reply = (
            step
            if isinstance(step, str) and step != "slow"
            else '```json {"reasoning": "{x", "score": [8, 6]}```'
        )
        if "three whole numbers" in text and not isinstance(step, str):
            reply = '{"score": [4, 3, 2]}'
        data = json.dumps({"choices": [{"message": {"content": reply}}]}).encode()
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


def rows(directory: Path, *instructions: str) -> list[BenchmarkSample]:
    pixels = np.zeros((8, 8, 3), np.uint8)
    samples = [
        BenchmarkSample(f"k{i}", f"k{i}", pixels, text, f"t{i % 2}") for i, text in enumerate(instructions)
    ]
    for sample in samples:
        Image.fromarray(pixels).save(directory / f"{sample.sample_id}.png")
    return samples


def judged(
    directory: Path, samples: list[BenchmarkSample], endpoint: Endpoint, **options: Any
) -> dict[str, float]:
    name = options.pop("name", "gedit")
    judge = Judge(endpoint.url, "seer", "secret", attempts=3, timeout=0.3, pause=0.01)
    return judge_pictures(name, samples, directory, lambda s: Path(f"{s.sample_id}.png"), judge, **options)


def test_scores_replies_and_what_identifies_them(endpoint: Endpoint, tmp_path: Path) -> None:
    found = judged(tmp_path, rows(tmp_path, "one", "two"), endpoint)
    assert (found["judge/n"], found["judge/failed"]) == (2, 0)
    assert found["judge/semantic"] == found["judge/quality"] == found["judge/overall"] == 6
    replies = [json.loads(line) for line in (tmp_path / "judge.jsonl").read_text().splitlines()]
    assert len(replies) == 4
    assert {reply["prompt_sha256"] for reply in replies} == {
        question.digest for question in QUESTIONS["gedit"]
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
    samples.append(BenchmarkSample("gone", "gone", samples[0].source, "x", "t0"))
    found = judged(tmp_path, samples, endpoint)
    assert (found["judge/n"], found["judge/failed"]) == (1, 4)
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
        and "FileNotFoundError" in table["gone"]
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

    found = summary("gedit", [row("a", "x", 1.0), row("b", "x", 3.0), row("c", "y", 8.0)])
    assert found["judge/overall"] == 5 and found["judge/overall[x]"] == 2


@given(text=st.text(max_size=80))
def test_a_score_is_never_guessed(text: str) -> None:
    with pytest.raises(ValueError):
        read_scores(text + '{"score": ["8", 7]}', QUESTIONS["gedit"][0])
