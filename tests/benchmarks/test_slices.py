"""The reviewers' slices: what each promises about its pictures and sentences, from the pixels."""

import re
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from transformers import CLIPTokenizer

from editmgt import assets
from editmgt.benchmarks.slices import SLICES, SliceDataset
from editmgt.benchmarks.slices.paraphrase import PARAPHRASES, STYLE_PARAPHRASES
from editmgt.data.sample import EditSample
from editmgt.data.scenes.drafts import extent
from editmgt.data.scenes.grammar import PHRASINGS, STYLE_PHRASINGS
from editmgt.data.scenes.graph import SHAPES
from editmgt.data.scenes.kinds import SMALL_SHARE, overlap
from editmgt.data.scenes.wide_phrasings import WIDE_PHRASINGS, WIDE_STYLE_PHRASINGS
from editmgt.metrics.success import edit_success

N = 40


@pytest.fixture(scope="module")
def slices() -> dict[str, list[EditSample]]:
    return {name: [rows[i] for i in range(N)] for name in SLICES for rows in [SliceDataset(name)]}


def differs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray((a != b).any(axis=2))


def test_every_slice_has_a_configuration() -> None:
    slices = {
        path.stem for path in (Path(__file__).parents[2] / "conf" / "benchmark").glob("scenes_*.yaml")
    } - {"scenes_basic"}
    assert {f"scenes_{name}" for name in SLICES} == slices


@pytest.mark.parametrize("name", SLICES)
def test_exact_truth_and_determinism(slices: dict[str, list[EditSample]], name: str) -> None:
    rows, again, other = slices[name], SliceDataset(name), SliceDataset(name, seed=1)
    assert len(again) == 500 and len({row.sample_id for row in rows}) == N
    assert (again[3].source == rows[3].source).all() and again[3].instruction == rows[3].instruction
    assert any((other[i].source != rows[i].source).any() for i in range(3))
    for row in rows:
        assert row.slice == name and row.instruction and row.source.shape == (64, 64, 3)
        assert row.target is not None and row.edit_mask is not None
        assert (row.edit_mask == differs(row.source, row.target)).all()
        assert row.edit_mask.any() == (name != "noop")
        for reading in row.alternatives:
            assert (reading.edit_mask == differs(row.source, reading.target)).all()


def test_the_miniature_reads_every_instruction_to_its_end(slices: dict[str, list[EditSample]]) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(assets.path("tiny_base") / "tokenizer", local_files_only=True)
    for rows in slices.values():
        assert max(len(tokenizer(row.instruction).input_ids) for row in rows) <= tokenizer.model_max_length


def test_small_objects_are_small(slices: dict[str, list[EditSample]]) -> None:
    assert {row.edit_type for row in slices["small"]} == {
        "add",
        "remove",
        "replace",
        "color",
        "motion change",
    }
    for row in slices["small"]:
        assert (
            row.edit_mask is not None and 0 < row.edit_mask.mean() < 2 * SMALL_SHARE
        )  # moving touches two places


def test_the_edited_object_lies_under_or_over_another() -> None:
    hidden = over = 0
    for index in range(3 * N):
        draft = overlap(Random(index))
        if draft is None:
            continue
        [thing] = set(draft.scene.things) - set(draft.target.things)
        position = draft.scene.things.index(thing)
        for other_position, other in enumerate(draft.scene.things):
            shared = (extent(thing, 64) & extent(other, 64)).sum()
            if other is not thing and shared:
                hidden += other_position > position
                over += other_position < position
    assert hidden >= 3 and over >= 3


def test_ambiguous_instructions_have_several_readings(slices: dict[str, list[EditSample]]) -> None:
    for row in slices["ambiguous"]:
        assert 1 <= len(row.alternatives) <= 3
        targets = [row.target, *(reading.target for reading in row.alternatives)]
        for i, target in enumerate(targets):
            assert target is not None
            assert all(differs(target, other).any() for other in targets[:i] if other is not None)


def test_paraphrases_match_no_phrasing_of_the_training_grammar(
    slices: dict[str, list[EditSample]],
) -> None:
    grammars = (PHRASINGS, STYLE_PHRASINGS, WIDE_PHRASINGS, WIDE_STYLE_PHRASINGS)
    trained = [text for grammar in grammars for texts in grammar.values() for text in texts]
    patterns = [re.sub(r"\\{\w+\\}", ".+", re.escape(text)) for text in trained]
    for row in slices["paraphrase"]:
        assert not any(re.fullmatch(pattern, row.instruction) for pattern in patterns), row.instruction
    texts = {text for texts in [*PARAPHRASES.values(), *STYLE_PARAPHRASES.values()] for text in texts}
    assert not texts & set(trained)


def test_two_edits_are_both_needed(slices: dict[str, list[EditSample]]) -> None:
    for row in slices["multi"]:
        first, second = row.parts
        assert " and " in row.instruction and first.any() and second.any()
        assert row.edit_mask is not None and not (row.edit_mask & ~(first | second)).any()


def test_doing_nothing_is_right_for_a_noop_alone(slices: dict[str, list[EditSample]]) -> None:
    for name, rows in slices.items():
        source = torch.tensor(np.stack([row.source for row in rows])).permute(0, 3, 1, 2) / 255
        target = torch.tensor(np.stack([row.target for row in rows])).permute(0, 3, 1, 2) / 255
        mask = torch.tensor(np.stack([row.edit_mask for row in rows]))
        success = edit_success(source, source, target, mask, source)
        assert set(success.tolist()) == ({1.0} if name == "noop" else {0.0})


def test_a_mark_is_asked_for_on_its_object(slices: dict[str, list[EditSample]]) -> None:
    """A place alone would not say where: the object need not stand in its middle."""
    marks = [row.instruction for row in slices["texture"] if row.edit_type == "add"]
    assert len(marks) > N / 4
    assert all(re.search(rf" on the .*({'|'.join(SHAPES)}|object)", text) for text in marks)
