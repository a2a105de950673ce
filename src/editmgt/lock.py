"""One process at a time, on one machine: a lock that goes with its holder, however that ends."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(directory: Path, on_wait: Callable[[], None]) -> Iterator[int]:
    """Hold the lock beside ``directory``; yields its file descriptor, which a child may keep open to hold it on.

    Args:
        directory: what is locked; it need not exist.
        on_wait: called once, when another process holds the lock.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(directory.with_name(f"{directory.name}.lock"), os.O_CREAT | os.O_RDWR, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)
