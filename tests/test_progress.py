"""Long work in a log: a line now and then, with what is left."""

from pathlib import Path

import pytest

from editmgt import progress
from editmgt.data.scene_tokens import tokenized
from editmgt.data.scenes import SceneDataset
from editmgt.editing import Editor


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(progress, "time", found)
    return found


def test_a_line_every_thirty_seconds_with_the_time_left(clock: Clock) -> None:
    lines: list[str] = []
    with progress.progress_bar("rendering", lines.append) as tell:
        for done in range(0, 1201, 10):
            tell(done, 1200)
            clock.now += 1
    assert lines[0] == "rendering: 300 of 1,200, about 2 min left"
    assert len(lines) == 4


def test_rendering_says_how_far_it_is(
    clock: Clock, tiny_editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """It takes minutes before a long training begins."""
    scenes = SceneDataset("train", size=130, resolution=32)
    drawn = SceneDataset.__getitem__

    def slow(self: SceneDataset, index: int) -> object:
        clock.now += 1
        return drawn(self, index)

    monkeypatch.setattr(SceneDataset, "__getitem__", slow)
    tokenized(scenes, tiny_editor.codec, tiny_editor.text_encoder, "editor", tmp_path)
    said = capsys.readouterr().out
    assert "rendering train scenes: 64 of 130, about 1 min left" in said
    assert (
        said.count("of 130 texts of train scenes are longer than the 16 tokens the text encoder reads") == 1
    )
