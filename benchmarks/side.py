"""A process that is asked line by line, so that what is compared can take turns, each side warm."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any


class Side:
    """A process of one side: it answers every line of JSON with a number.

    Args:
        command: what it runs.
        environment: beside this process's.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._command = command
        pipe, variables = subprocess.PIPE, os.environ | dict(environment or {})
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=variables)

    def ask(self, **asked: Any) -> float:
        """Return its answer; the benchmark ends where the process has."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"{' '.join(self._command)} ended: see its messages above.")
        return float(json.loads(answer))

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
