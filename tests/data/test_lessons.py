"""What a training can be taught beside plain edits: shares, truth, and that the held-out part stays out."""

from collections import Counter

import pytest
from transformers import CLIPTokenizer

from editmgt import assets
from editmgt.benchmarks.slices import SLICES
from editmgt.config.schema import Lessons
from editmgt.data.sample import EditPair
from editmgt.data.scenes import SceneDataset
from editmgt.data.scenes.kinds import SMALL_SHARE
from editmgt.data.scenes.lessons import HELD_OUT_PAIRS, LESSONS

N = 60


@pytest.fixture(scope="module")
def taught() -> dict[str, list[EditPair]]:
    return {name: [rows[i] for i in range(N)] for name in LESSONS for rows in [_lesson(name)]}


def _lesson(name: str) -> SceneDataset:
    return SceneDataset("train", size=N, lessons={name: 1.0})


def test_every_lesson_has_its_key_and_all_but_phrasings_their_slice() -> None:
    assert set(Lessons.model_fields) == set(LESSONS)
    assert set(LESSONS) - set(SLICES) == {"phrasing"}


def test_shares_are_kept_and_the_rest_is_plain() -> None:
    rows = SceneDataset("train", size=400, lessons={"multi": 0.25, "noop": 0.25, "small": 0.0})
    kinds = Counter(
        "multi" if "+" in row.edit_type else "plain" if row.edit_mask.any() else "noop"
        for row in (rows[i] for i in range(400))
    )
    # four standard deviations of a share of a quarter, and of a half
    assert abs(kinds["multi"] - 100) < 35 and abs(kinds["noop"] - 100) < 35 and abs(kinds["plain"] - 200) < 40


def test_without_lessons_nothing_changes() -> None:
    plain, none = SceneDataset("train", size=5)[3], SceneDataset("train", size=5, lessons={"noop": 0.0})[3]
    assert plain.instruction == none.instruction and (plain.source == none.source).all()


def test_wrong_pairs_have_the_instruction_of_another_sample_and_the_others_keep_theirs() -> None:
    n, right = 200, SceneDataset("train", size=200)
    some = SceneDataset("train", size=n, wrong_pairs=0.25)
    changed = [i for i in range(n) if some[i].instruction != right[i].instruction]
    # four standard deviations of a share of a quarter; a sample or two may draw an equal instruction
    assert abs(len(changed) - 50) < 25
    assert all((some[i].source == right[i].source).all() for i in changed[:5])
    assert all((some[i].target == right[i].target).all() for i in changed[:5])
    # a smaller set is the beginning of a larger one, and its wrong pairs are among those of a larger share
    assert (
        SceneDataset("train", size=changed[0] + 1, wrong_pairs=0.25)[changed[0]].instruction
        == some[changed[0]].instruction
    )
    more = SceneDataset("train", size=n, wrong_pairs=0.5)
    assert all(more[i].instruction == some[i].instruction for i in changed)


@pytest.mark.parametrize("name", LESSONS)
def test_masks_are_exact_and_samples_repeat(taught: dict[str, list[EditPair]], name: str) -> None:
    again = _lesson(name)[5]
    assert again.instruction == taught[name][5].instruction and (again.target == taught[name][5].target).all()
    for row in taught[name]:
        assert (row.edit_mask == (row.source != row.target).any(axis=2)).all()
        assert row.edit_mask.any() == (name != "noop")


def test_what_is_held_out_is_never_taught(taught: dict[str, list[EditPair]]) -> None:
    assert not {"background change"} & {row.edit_type for row in taught["noop"]}
    assert not [row for row in taught["multi"] if set(row.edit_type.split("+")) in HELD_OUT_PAIRS]
    assert "color" not in {row.edit_type for row in taught["overlap"]}
    assert "motion change" not in {row.edit_type for row in taught["small"]}
    new = [set(row.target_scene.things) - set(row.source_scene.things) for row in taught["texture"]]
    changed = [
        thing for row, things in zip(taught["texture"], new, strict=True) for thing in things
        if row.edit_type == "replace"
    ]  # fmt: skip
    assert len(changed) > N / 4 and all(thing.pattern != "dotted" for thing in changed)


def test_the_rest_of_each_is_taught(taught: dict[str, list[EditPair]]) -> None:
    assert {row.edit_type for row in taught["noop"]} == {"color", "remove", "style", "motion change"}
    assert {row.edit_type for row in taught["overlap"]} == {"remove", "replace"}
    assert {row.edit_type for row in taught["small"]} == {"add", "remove", "replace", "color"}
    assert all(
        row.edit_mask.mean() < 2 * SMALL_SHARE for row in taught["small"]
    )  # what leaves and what comes


def test_the_miniature_reads_nearly_every_lesson_to_its_end(taught: dict[str, list[EditPair]]) -> None:
    """It spells words that its tokenizer has not met."""
    tokenizer = CLIPTokenizer.from_pretrained(assets.path("tiny_base") / "tokenizer", local_files_only=True)
    for name, rows in taught.items():
        cut = [row for row in rows if len(tokenizer(row.instruction).input_ids) > tokenizer.model_max_length]
        assert len(cut) <= N // 20, (name, cut[0].instruction)
