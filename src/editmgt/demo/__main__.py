"""The command line of ``editmgt demo``; slow imports wait until the input is known to be good."""

import argparse
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from editmgt import assets, weights
from editmgt.editing.edit_options import Parser, add_loading
from editmgt.errors import UserError

BAD_INPUT = 2
HOST = "127.0.0.1"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the page until it is interrupted; returns the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl+C does: nothing is left behind
    try:
        options = _parser().parse_args(arguments)
        _check(options)
        with tempfile.TemporaryDirectory(prefix="editmgt-demo-") as folder:
            _serve(options, Path(folder))
    except UserError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        return 0
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="editmgt demo",
        description="Edit pictures in a browser: a page on this machine, which asks nothing of any other.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--port", type=int, default=7860, help="of the page, on this machine alone (default: %(default)s)"
    )
    add_loading(parser)
    return parser


def _check(options: argparse.Namespace) -> None:
    """Raise a ``UserError`` for what can be known at once; make paths good from any directory."""
    if find_spec("gradio") is None:
        raise UserError('The page is made with Gradio, which is not installed: pip install -e ".[demo]"')
    if options.text_encoder == "drop":
        raise UserError(
            "--text-encoder drop would leave nothing that reads a second instruction: use offload or keep."
        )
    if not 0 < options.port < 2**16:
        raise UserError(f"--port {options.port} must be from 1 to {2**16 - 1}.")
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # one that was closed a moment ago is free
        try:
            probe.bind((HOST, options.port))
        except OSError as error:
            raise UserError(
                f"--port {options.port} cannot be used: {error.strerror}. Name another."
            ) from error
    if not weights.on_hub(options.checkpoint):
        place, variant = weights.split(options.checkpoint)
        directory = weights.find(options.checkpoint).directory
        if place not in assets.names():
            options.checkpoint = f"{directory.resolve()}{variant and ':'}{variant}"
    if options.adapter is not None:
        options.adapter = options.adapter.resolve()


def _serve(options: argparse.Namespace, folder: Path) -> None:
    """Load the editor in a process of its own, and serve the page meanwhile."""
    from editmgt.demo.editor_process import Worker

    worker = Worker(options)
    os.environ["GRADIO_TEMP_DIR"] = str(folder / "uploads")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    # Gradio asks its own page whether it is there: a proxy of this machine's has no part in that
    os.environ["NO_PROXY"] = ",".join(filter(None, (os.environ.get("NO_PROXY"), HOST)))
    from editmgt.demo.page import Page

    page = Page(options, worker, folder)
    page.launch(HOST, options.port)
    print(f"http://{HOST}:{options.port} (Ctrl+C ends it)", flush=True)
    worker.own()  # raises what was wrong with the checkpoint
    print(f"{options.checkpoint} is loaded.", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    sys.exit(main())
