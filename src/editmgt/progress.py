"""How far long work is: a bar with the time left on a terminal, now and then a line in a file."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def time_left(seconds: float) -> str:
    """About how long that is, in words."""
    return f"about {seconds / 60:.0f} min left" if seconds >= 60 else "under a minute left"


def _say(line: str) -> None:
    print(line, flush=True)  # a file is read while the work goes on


@contextmanager
def progress_bar(title: str, say: Callable[[str], None] = _say) -> Iterator[Callable[[int, int], None]]:
    """A bar with the time left on a terminal; in a file, a line every now and then, by ``say``."""
    from rich.console import Console
    from rich.progress import Progress

    if not sys.stderr.isatty():
        yield _Lines(title, say).update
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _Lines:
    """Progress as lines, at most one every ``PAUSE`` seconds."""

    PAUSE = 30.0

    def __init__(self, title: str, say: Callable[[str], None]) -> None:
        self.title, self.say = title, say
        self._start = self._told = time.perf_counter()
        self._first: int | None = None

    def update(self, done: int, total: int) -> None:
        now = time.perf_counter()
        if self._first is None:
            self._first = done  # what an earlier run did takes no time now
        if now - self._told < self.PAUSE or done == self._first:
            return
        self._told = now
        left = (now - self._start) / (done - self._first) * (total - done)
        self.say(f"{self.title}: {done:,} of {total:,}" + (f", {time_left(left)}" if left else ""))
