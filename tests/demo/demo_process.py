"""``editmgt demo`` as its users start it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
HANGS = 600  # seconds after which something hangs: guards alone, how fast a machine is is no part of a test


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run_demo(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "editmgt.demo", *arguments],
        cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=HANGS,
    )  # fmt: skip


@contextmanager
def demo(cwd: Path) -> Iterator[str]:
    """Start it by its command, yield its address as soon as it serves, and end it as Ctrl+C does."""
    start = [sys.executable, "-c", "from editmgt.console import main; main()", "demo"]
    port = free_port()
    with (cwd / "demo.log").open("w") as log:
        process = subprocess.Popen(
            [*start, "--port", str(port), "--device", "cpu"], cwd=cwd, env=ENVIRONMENT, stdout=log, stderr=log
        )
        try:
            until = time.monotonic() + HANGS
            while "http://" not in (cwd / "demo.log").read_text():
                assert process.poll() is None and time.monotonic() < until, (cwd / "demo.log").read_text()
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            assert process.wait(timeout=HANGS) == 0
