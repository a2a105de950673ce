"""What the page asks of the editor: everything that may stand beside an edit, and uploads of any name."""

from pathlib import Path
from typing import Any

import pytest
from in_process import InProcess, loading
from PIL import Image

from editmgt.config.presets import presets
from editmgt.demo.session import WITHOUT_INJECTION, Picture, Session
from editmgt.errors import UserError


@pytest.fixture(scope="module")
def worker() -> InProcess:
    return InProcess(loading())


@pytest.fixture
def session(worker: InProcess, tmp_path: Path) -> Session:
    worker.read.clear()
    return Session(worker.options, worker, tmp_path / "edits", presets("hold_setup"))


@pytest.fixture
def picture(tmp_path: Path) -> Picture:
    Image.new("RGB", (64, 64)).save(tmp_path / "scene.png")
    return Picture(tmp_path / "scene.png", (64, 64))


@pytest.mark.parametrize(
    ("values", "same"),
    [
        ({}, {"consolidation switched", "speed quality", "posterior"}),
        ({"map_source": "attention", "hold_threshold": 0.03}, {"speed quality", "attention"}),
        ({"speed": "balanced"}, {"consolidation switched", "speed balanced"}),
        ({"region_hold": False}, {"consolidation switched", "speed quality", "none"}),
        # a word chooses among attention, which these do not read
        ({"map_source": "attention", "hold_threshold": 0.03, "query": "red"},
         {"speed quality", "attention", "guidance_first", "likelihood_first", "otsu_first",
          "posterior", "posterior_first", "posterior_hysteresis"}),
    ],
)  # fmt: skip
def test_what_stands_beside_can_be_made_and_is_another_edit(
    session: Session, worker: InProcess, picture: Picture, values: dict[str, Any], same: set[str]
) -> None:
    filled = {**session.own(), "instruction": "make it red", **values}  # as the page fills its fields
    refused = set()
    for beside in session.beside:
        worker.read.clear()
        try:
            titles = [shown.title for shown in session.edit(picture, filled, beside)]
        except UserError:
            refused.add(beside)
            assert not worker.read  # it is known before the first edit
        else:
            assert len(set(titles)) == len(worker.read) == (1 if beside == "nothing" else 2)
    assert refused == same


def test_an_edit_that_would_be_the_same_is_refused_with_the_reason(
    session: Session, picture: Picture
) -> None:
    for beside, said in (
        ("consolidation switched", "consolidation has no effect with map source posterior: "),
        ("posterior", "posterior changes nothing of this edit: "),
    ):
        with pytest.raises(UserError, match=said):
            list(session.edit(picture, {"instruction": "make it red"}, beside))


def test_a_way_to_hold_brings_its_threshold_whatever_the_checkpoints_own(
    picture: Picture, tmp_path: Path
) -> None:
    worker = InProcess(loading())
    editor = worker.editors.own(worker.options)
    editor.settings = editor.settings.override(hold_threshold=0.1)  # which guidance_first has for its own map
    session = Session(worker.options, worker, tmp_path / "edits", presets("hold_setup"))
    list(session.edit(picture, {"instruction": "make it red"}, "guidance_first"))
    assert [options.hold_threshold for options in worker.read] == [None, 0.1]


def test_two_editors_differ_in_attention_injection_alone(picture: Picture, tmp_path: Path) -> None:
    worker = InProcess(loading(dtype="bfloat16"))
    session = Session(worker.options, worker, tmp_path / "edits", presets("hold_setup"))
    list(session.edit(picture, {"instruction": "make it red", "steps": 2}, WITHOUT_INJECTION))
    first, second = worker.read
    assert (first.checkpoint, second.checkpoint) == ("tiny_editor", "tiny_editor_input")
    assert (first.device, first.dtype) == (second.device, second.dtype) == ("cpu", "bfloat16")
    one, other = (worker.editors.of(options).settings.to_dict() for options in worker.read)
    trained = {"reference_strength", "reference_attends"}  # of attention injection
    assert {name for name in one if one[name] != other[name]} <= trained


def test_an_adapter_of_the_one_editor_is_not_put_on_the_other(worker: InProcess, tmp_path: Path) -> None:
    adapted = Session(loading(adapter=tmp_path), worker, tmp_path, {})
    assert WITHOUT_INJECTION not in adapted.beside


@pytest.mark.parametrize("name", ["view.png", "look_views", "look.png"])
def test_an_upload_of_any_name_stays_as_it_is(session: Session, tmp_path: Path, name: str) -> None:
    Image.new("RGB", (1200, 900)).save(tmp_path / name, "PNG")
    picture, looked = session.take(str(tmp_path / name))
    assert picture.size == (1200, 900)
    assert picture.path.read_bytes() == (tmp_path / name).read_bytes()
    assert Image.open(looked.view).size == (512, 384)
