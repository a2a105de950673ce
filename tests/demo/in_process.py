"""The editor's process without the process: its jobs are done where they are asked for."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from editmgt.demo import jobs
from editmgt.demo.messages import Line
from editmgt.editing.edit_options import read_line


def loading(checkpoint: str | Path = "tiny_editor", **others: Any) -> argparse.Namespace:
    """Options of loading, as ``editmgt demo`` reads them."""
    usual = {"adapter": None, "device": "cpu", "dtype": "float32", "text_encoder": "offload"}
    return argparse.Namespace(checkpoint=str(checkpoint), **usual | others)


class InProcess:
    """Looks at pictures as the process does; of an edit it checks the line, and makes nothing."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.editors = options, jobs.Editors()
        self.read: list[argparse.Namespace] = []

    def own(self) -> dict[str, Any]:
        return self.editors.own(self.options).settings.to_dict()

    def do(
        self, job: str, line: Line, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Any:
        if job == "look":
            return jobs.look(self.editors, line, progress)
        jobs.check(self.editors, line, progress)
        if job == "make":
            self.read.append(read_line(line.arguments))
        return None
