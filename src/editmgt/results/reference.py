"""What stands beside a sweep's cells: the shipped editor, and the controls, which need no editing."""

from dataclasses import dataclass
from pathlib import Path

from editmgt.results.run_directory import RunDirectory

SHIPPED, CONTROLS = "tiny_editor", "controls"  # their folders
COPY_SOURCE, CODEC_SOURCE = "copy_source", "codec_source"
CODEC_TARGET, ORACLE_MASK = "codec_target", "oracle_mask"
CONTROL_TITLES = {
    COPY_SOURCE: "control: copy source",
    CODEC_SOURCE: "control: codec round trip of source",
    CODEC_TARGET: "control: codec round trip of target",
    ORACLE_MASK: "control: oracle mask",
}
SHOWN_CONTROLS = {"source": COPY_SOURCE, "target": CODEC_TARGET}  # whose pictures stand beside the edits


@dataclass(frozen=True)
class Reference:
    """The rows that every table needs beside its cells, of one benchmark."""

    path: Path

    @property
    def shipped(self) -> RunDirectory:
        """The run of the shipped editor."""
        return RunDirectory(self.path / SHIPPED)

    @property
    def controls(self) -> RunDirectory:
        """The status of all controls; each has its rows in a folder of its own."""
        return RunDirectory(self.path / CONTROLS)

    def control(self, name: str) -> RunDirectory:
        """One of ``CONTROL_TITLES``."""
        return RunDirectory(self.path / CONTROLS / name)
