"""Readings, parts, unknown truth and sessions: how a benchmark's row becomes numbers."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from editmgt.benchmarks import EditSample
from editmgt.benchmarks.slices import SliceDataset
from editmgt.data.sample import Reading
from editmgt.editing import Editor
from editmgt.evaluation.evaluate import evaluate
from editmgt.evaluation.scoring import Group, Outcome, score
from editmgt.files import read_json
from editmgt.metrics import Scorer

pytestmark = pytest.mark.filterwarnings("ignore::editmgt.editing.InstructionCut")
NAMES = ["edit/success", "edit/ratio", "outside/l1", "inside/l1", "whole/l1"]


def scored(editor: Editor, sample: EditSample, picture: np.ndarray) -> dict[str, float]:
    group = Group([sample], editor, 32)
    scorer = Scorer(NAMES)
    [values] = score(group, Outcome([Image.fromarray(picture)]), editor.settings, scorer, scorer.set_scores())
    return values


def test_any_valid_reading_is_a_success_and_anything_else_is_not(tiny_editor: Editor) -> None:
    sample = SliceDataset("ambiguous", resolution=32)[0]
    assert sample.target is not None
    for target in (sample.target, sample.alternatives[0].target):
        values = scored(tiny_editor, sample, target)
        assert values["edit/success"] == 1 and values["outside/l1"] == 0 and values["inside/l1"] == 0
    assert scored(tiny_editor, sample, sample.source)["edit/success"] == 0
    both = np.where(sample.edit_mask[..., None], sample.target, sample.alternatives[0].target)  # type: ignore[index]
    values = scored(tiny_editor, sample, both)
    assert values["edit/success"] == 1 and values["outside/l1"] > 0  # one too many was touched


def test_both_parts_must_succeed(tiny_editor: Editor) -> None:
    source = np.zeros((32, 32, 3), np.uint8)
    large, small = np.zeros((2, 32, 32), bool)
    large[:16], small[28:, 28:] = True, True
    target = np.where((large | small)[..., None], np.uint8(200), source)
    sample = EditSample("a", "a", source, "x", "multi", target, large | small, parts=(large, small))
    assert scored(tiny_editor, sample, target)["edit/success"] == 1
    half = np.where(large[..., None], target, source)
    assert scored(tiny_editor, sample, half)["edit/success"] == 0
    assert scored(tiny_editor, dataclasses.replace(sample, parts=()), half)["edit/success"] == 1


def test_what_nobody_knows_is_not_defined(tiny_editor: Editor, tmp_path: Path) -> None:
    sample = SliceDataset("small", resolution=32)[0]
    rows = [
        dataclasses.replace(sample, sample_id="no target", target=None),
        dataclasses.replace(sample, sample_id="no mask", edit_mask=None),
        dataclasses.replace(sample, sample_id="neither", target=None, edit_mask=None),
        sample,
    ]
    found = evaluate(tiny_editor, rows, tiny_editor.settings, tmp_path, batch_size=4)
    assert (found["n"], found["failed"]) == (4, 0)
    assert found["whole/l1/undefined"] == 2 and found["outside/l1/undefined"] == 2
    assert found["inside/l1/undefined"] == found["edit/success/undefined"] == 3
    assert set(found) <= {*read_json(tmp_path / "metrics.json")}
    assert not any(math.isnan(value) for value in found.values())


def test_what_was_edited_is_compared_at_the_targets_size(tiny_editor: Editor) -> None:
    sample = SliceDataset("small", resolution=32)[0]
    large = SliceDataset("small", resolution=64)[0]
    mixed = dataclasses.replace(sample, target=large.target, edit_mask=large.edit_mask)
    assert large.target is not None
    picture = np.asarray(Image.fromarray(large.target).resize((32, 32)))
    values = scored(tiny_editor, mixed, picture)
    assert 0 < values["whole/l1"] < 0.05
    wrong = dataclasses.replace(sample, alternatives=(Reading(large.target, large.target[..., 0] > 0),))
    with pytest.raises(ValueError, match="differ in size"):
        Group([wrong], tiny_editor, 32)


def test_a_session_edits_what_the_turn_before_left(tiny_editor: Editor, tmp_path: Path) -> None:
    source = SliceDataset("small", resolution=32)[0].source
    first, second = "make the red circle blue", "remove the large star"
    session = EditSample("s", "s", source, second, before=(first,))
    plain = EditSample("p", "p", source, second)
    evaluate(
        tiny_editor, [session, plain], tiny_editor.settings, tmp_path, seed=3,
        picture_path=lambda sample: Path(f"{sample.sample_id}.png"),
    )  # fmt: skip
    one = tiny_editor.edit(source, first, sample_ids=["s@0"], seed=3)
    two = tiny_editor.edit(one.images[0], second, sample_ids=["s"], seed=3)
    alone = tiny_editor.edit(source, second, sample_ids=["p"], seed=3)
    for name, image in (("s", two.images[0]), ("p", alone.images[0])):
        with Image.open(tmp_path / f"{name}.png") as kept:
            difference = np.abs(np.asarray(kept, int) - np.asarray(image, int))
            assert difference.max() <= 2  # batches of two sizes round differently
