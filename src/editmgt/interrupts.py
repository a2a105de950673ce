"""Ctrl-C while a command starts: one line, and not what some library was doing when it was imported."""

import os
import signal
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130  # the exit status


def end_on_interrupt() -> None:
    """Let Ctrl-C end the process at once, until :func:`interrupt_work` is called: for as long as there is nothing to lose.

    Where it is ignored, as in the background of a shell script, it stays so.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def interrupt_work() -> None:
    """Let Ctrl-C raise ``KeyboardInterrupt`` again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    os.write(2, b"\nInterrupted: nothing had started.\n")
    os._exit(INTERRUPTED)
