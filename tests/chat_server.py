"""A judge behind a real HTTP server on this machine, in OpenAI's chat format."""

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image

# the prompt and the mean level of each picture shown -> an answer's text, or an HTTP status
Reply = Callable[[str, list[float]], str | int]


class Chat(ThreadingHTTPServer):
    """Answers by ``reply``, and remembers what it was asked: prompt and levels."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = reply
        self.asked: list[tuple[str, list[float]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Chat

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text, *pictures = body["messages"][0]["content"]
        levels = [_level(picture["image_url"]["url"]) for picture in pictures]
        self.server.asked.append((text["text"], levels))
        answer = self.server.reply(text["text"], levels)
        self.send_response(answer if isinstance(answer, int) else 200)
        self.end_headers()
        with suppress(BrokenPipeError):
            self.wfile.write(json.dumps({"choices": [{"message": {"content": answer}}]}).encode())

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


def _level(url: str) -> float:
    picture = Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1])))
    return float(np.asarray(picture.convert("RGB")).mean())


@contextmanager
def chat(reply: Reply) -> Iterator[Chat]:
    """A server for as long as the block runs."""
    with Chat(reply) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def winner(name: str) -> str:
    """An answer as judges give it."""
    return f'```json\n{{"reasoning": "{{seen}}", "winner": "{name}"}}\n```'


def brighter(_: str, levels: list[float]) -> str:
    """Prefer the brighter of the two edits, whichever comes first."""
    _, first, second = levels
    return winner("tie" if first == second else "A" if first > second else "B")
