"""The rendered world: exact truth, determinism, sentences that mean one thing."""

import time
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from editmgt.data.scenes import EDIT_TYPES, SPLITS, SceneDataset
from editmgt.data.scenes.draws import random_scene
from editmgt.data.scenes.edits import Edit, apply
from editmgt.data.scenes.grammar import refer
from editmgt.data.scenes.graph import COLORS, PATTERNS, SHAPES, SIZES, Background, Scene, Thing
from editmgt.data.scenes.render import render


@pytest.mark.parametrize("world", ["full", "basic"])
def test_mask_is_exactly_what_differs(world: str) -> None:
    scenes = SceneDataset("dev", size=60, world=world)
    for sample in (scenes[i] for i in range(len(scenes))):
        assert sample.source.shape == sample.target.shape == (64, 64, 3)
        assert (sample.edit_mask == (sample.source != sample.target).any(axis=2)).all()
        assert sample.edit_mask.any() and sample.instruction and sample.edit_type in EDIT_TYPES


def test_a_sample_depends_on_split_seed_and_index_alone() -> None:
    first, again = SceneDataset("train", 3, 10)[7], SceneDataset("train", 3, 99)[7]
    assert (first.source == again.source).all() and first.instruction == again.instruction
    others = [SceneDataset("dev", 3)[7], SceneDataset("train", 4)[7], SceneDataset("train", 3)[8]]
    assert all((first.source != other.source).any() for other in others)


def test_splits_share_no_picture() -> None:
    pictures = [{SceneDataset(split)[i].source.tobytes() for i in range(150)} for split in SPLITS]
    assert not pictures[0] & pictures[1] and not pictures[0] & pictures[2] and not pictures[1] & pictures[2]


def test_every_edit_type_shape_colour_size_and_pattern_occurs() -> None:
    samples = [SceneDataset("train")[i] for i in range(300)]
    assert {sample.edit_type for sample in samples} == set(EDIT_TYPES)
    things = [thing for sample in samples for thing in sample.source_scene.things]
    assert {thing.shape for thing in things} == set(SHAPES)
    assert {thing.color for thing in things} == set(COLORS)
    assert {thing.size for thing in things} == set(SIZES)
    assert {thing.pattern for thing in things} == set(PATTERNS)
    assert {len(sample.source_scene.things) for sample in samples} == {1, 2, 3, 4}


def test_the_basic_world_is_plain() -> None:
    samples = [SceneDataset("train", world="basic")[i] for i in range(100)]
    for scene in (scene for sample in samples for scene in (sample.source_scene, sample.target_scene)):
        assert scene.background.pattern == "plain"
        assert all(thing.pattern == "plain" for thing in scene.things)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_a_referring_expression_fits_one_object_alone(seed: int) -> None:
    rng = Random(seed)
    scene = random_scene(rng, "full", "color")
    for index, thing in enumerate(scene.things):
        sentence = refer(scene, index, rng)
        assert [other for other in scene.things if _fits(sentence, other)] == [thing]


def _fits(sentence: str, thing: Thing) -> bool:
    """Whether every attribute that the sentence names is the object's."""
    noun, _, place = sentence.partition(
        next((p for p in (" at the ", " on the ", " in the ") if p in sentence), "#")
    )
    told = {"size": SIZES, "color": COLORS, "pattern": PATTERNS, "shape": SHAPES}
    spoken = noun.split()
    named = all(
        getattr(thing, name) == word for name, words in told.items() for word in words if word in spoken
    )
    return named and place in ("", thing.place)


@pytest.mark.parametrize("resolution", [64, 96, 256, 1024])
def test_any_resolution_shows_the_same_scene(resolution: int) -> None:
    scene = SceneDataset("dev")[0].source_scene
    small = render(scene, 64).astype(float)
    large = render(scene, resolution).astype(float)
    assert large.shape == (resolution, resolution, 3)
    assert abs(large.mean() - small.mean()) < 3


def test_edges_are_anti_aliased_and_later_objects_occlude() -> None:
    big = Thing("circle", "red", "large", "plain", "center", 0.5, 0.5)
    small = Thing("square", "blue", "small", "plain", "center", 0.5, 0.5)
    picture = render(Scene(Background("white"), (big, small)), 64)
    assert tuple(picture[32, 32]) == COLORS["blue"]
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10
    assert tuple(render(Scene(Background("white"), (small, big)), 64)[32, 32]) == COLORS["red"]


def test_removal_and_addition_undo_each_other() -> None:
    scene = random_scene(Random(1), "full", "add")
    extra = Thing("star", "green", "small", "dotted", "center", 0.5, 0.5)
    grown = apply(scene, Edit("add", thing=extra))
    assert apply(grown, Edit("remove", index=len(scene.things))) == scene


def test_rendering_is_fast_enough() -> None:
    scenes = SceneDataset("train", seed=5, size=400)
    start = time.process_time()
    for i in range(len(scenes)):
        scenes[i]
    assert len(scenes) / (time.process_time() - start) >= 300  # samples a second a core
