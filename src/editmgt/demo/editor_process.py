"""The editor in a process of its own: it loads while the page is served, and a page whose editor dies lives on."""

import argparse
import signal
import threading
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from editmgt.demo.messages import Line
from editmgt.errors import UserError, on_one_line


class Worker:
    """A process that holds the editors, and does one job after the other."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._start()

    def own(self) -> dict[str, Any]:
        """Return the settings that the checkpoint was finished with, once it is loaded.

        Raises:
            UserError: what is wrong with the checkpoint.
        """
        with self._lock:
            return self._ready()

    def do(
        self, job: str, line: Line, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Any:
        """Have a function of :mod:`editmgt.demo.jobs` called with ``line``, and return what it returns.

        Raises:
            UserError: as the function does; whatever else goes wrong there is one too.
        """
        with self._lock:
            self._ready()
            kind, value = self._exchange((job, line))
            while kind == "step":
                progress(*value)
                kind, value = self._exchange()
            return _answer(kind, value)

    def _start(self) -> None:
        context = get_context("spawn")  # a fork of a process whose threads serve is none
        self._loaded: tuple[str, Any] | None = None  # how loading ended, which is said once
        self._connection, far = context.Pipe()
        process = context.Process(target=_work, args=(far, self._options), daemon=True)
        process.start()
        far.close()  # or the end of the process would not be heard
        self._process = process

    def _ready(self) -> dict[str, Any]:
        if self._loaded is None:
            self._loaded = self._exchange()
        own: dict[str, Any] = _answer(*self._loaded)
        return own

    def _exchange(self, job: tuple[str, Line] | None = None) -> tuple[str, Any]:
        """Send a job, if there is one, and return the next message; a process that has ended starts anew."""
        try:
            if job is not None:
                self._connection.send(job)
            message: tuple[str, Any] = self._connection.recv()
        except (EOFError, OSError):  # it ended while it worked, or before it was asked
            self._process.join()
            status = self._process.exitcode
            self._start()
            raise UserError(
                f"The editor's process ended with status {status}, most likely for lack of memory. It starts anew: try a "
                "smaller picture."
            ) from None
        return message


def _answer(kind: str, value: Any) -> Any:
    if kind == "mistake":
        raise UserError(value)
    return value


def _work(connection: Connection, options: argparse.Namespace) -> None:
    """Load the editor, say its settings, then do jobs until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the page's process ends this one

    def outcome(work: Callable[..., Any], *given: Any) -> tuple[str, Any]:
        try:
            return "done", work(*given)
        except UserError as error:
            return "mistake", str(error)
        except Exception as error:  # the page says what, the terminal where
            traceback.print_exc()
            return "mistake", on_one_line(error)

    from editmgt.demo import jobs

    editors = jobs.Editors()
    connection.send(outcome(lambda: editors.own(options).settings.to_dict()))
    while True:
        try:
            job, line = connection.recv()
        except EOFError:
            return
        done = outcome(getattr(jobs, job), editors, line, lambda *step: connection.send(("step", step)))
        connection.send(done)
