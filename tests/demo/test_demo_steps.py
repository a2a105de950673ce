"""The slider of steps: it reaches every step of both edits, whichever of them takes more."""

from pathlib import Path

import pytest
from in_process import InProcess, loading

from editmgt.demo import page
from editmgt.demo.messages import Edited
from editmgt.demo.session import Shown


def shown(*steps: int) -> Shown:
    nothing = Path("nothing.png")
    made = Edited(
        nothing, nothing, nothing, nothing, nothing, {step: Path(f"{step}.png") for step in steps}, []
    )
    return Shown("title", "command", [], made)


@pytest.mark.parametrize("both", [[shown(1, 2), shown(1, 3, 4)], [shown(1, 3, 4), shown(1, 2)]])
def test_every_step_of_both_edits_is_reached_and_played(
    both: list[Shown], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = loading()
    made = page.Page(options, InProcess(options), tmp_path)
    updates = made._show(both)
    slider, frames = updates[made.step], updates[made.frames]
    assert (slider.maximum, slider.value) == (4, 4)
    monkeypatch.setattr(page, "PAUSE", 0)
    assert list(page._play(frames)) == [1, 2, 3, 4]
    assert {Path(picture).name for picture in page._frames(4, frames)} == {"2.png", "4.png"}
