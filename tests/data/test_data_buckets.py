"""Aspect-ratio buckets: batches of one shape, paired crops kept, every batch a pure function of (seed, step)."""

from dataclasses import replace
from itertools import islice, pairwise
from math import log
from pathlib import Path

import numpy as np
import pytest
from edit_files import crispedit, edit_rows, encoded, picture, spec, write
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from test_data_cache import losses, preparation, settings
from torch.utils.data import DataLoader

from editmgt.config.problems import problems
from editmgt.config.schema import Edits, Model
from editmgt.data.bad_rows import BadRows
from editmgt.data.batches import Mixture, PairBatches, bucketed, with_a_good_one
from editmgt.data.buckets import bucket_sizes, bucket_steps, nearest_bucket
from editmgt.data.edit_data import EditData
from editmgt.data.order import Share
from editmgt.data.rows import EditRows
from editmgt.data.transform import Pair, Transform
from editmgt.prepare import prepare

ASPECTS = [0.5, 1.0, 2.0]


@given(
    aspects=st.lists(st.floats(0.25, 4), min_size=1, max_size=9),
    cells_a_side=st.integers(4, 64),
    multiple=st.sampled_from([4, 8, 16, 32]),
    size=st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
)
def test_buckets_have_whole_cells_and_about_one_area(
    aspects: list[float], cells_a_side: int, multiple: int, size: tuple[int, int]
) -> None:
    resolution = cells_a_side * multiple
    sizes = bucket_sizes(aspects, resolution, multiple)
    for aspect in aspects:
        [(width, height)] = bucket_sizes([aspect], resolution, multiple)
        assert (width, height) in sizes
        assert width % multiple == height % multiple == 0
        # each side is within half a cell of what the area and the shape ask for
        ideal = resolution * aspect**0.5, resolution / aspect**0.5
        assert abs(width - ideal[0]) <= multiple / 2 + 1 + resolution / 500
        assert abs(height - ideal[1]) <= multiple / 2 + 1 + resolution / 500
    chosen = sizes[nearest_bucket(size, sizes)]
    error = abs(log(chosen[0] / chosen[1] * size[1] / size[0]))
    assert all(error <= abs(log(w / h * size[1] / size[0])) + 1e-9 for w, h in sizes)
    # between the outermost shapes no more is cropped than half the way from one to the next
    shapes = sorted(log(w / h) for w, h in sizes)
    if shapes[0] <= log(size[0] / size[1]) <= shapes[-1] and len(shapes) > 1:
        assert error <= max(b - a for a, b in pairwise(shapes)) / 2 + 1e-9


@given(
    seed=st.integers(0, 99),
    shares=st.lists(st.floats(0.01, 10), min_size=1, max_size=5),
    start=st.integers(0, 2500),
    stride=st.integers(1, 4),
)
def test_a_steps_bucket_is_a_function_of_the_step(
    seed: int, shares: list[float], start: int, stride: int
) -> None:
    whole = list(islice(bucket_steps(seed, shares, 0, 1), start + 20 * stride))
    assert list(islice(bucket_steps(seed, shares, start, stride), 20)) == whole[start::stride]
    seen = [0] * len(shares)
    for bucket, before in whole:
        assert before == seen[bucket]
        seen[bucket] += 1


def test_buckets_come_in_proportion() -> None:
    chosen = [bucket for bucket, _ in islice(bucket_steps(0, [0.5, 3.0, 0.001], 0, 1), 50_000)]
    assert np.bincount(chosen, minlength=3) / 50_000 == pytest.approx([0.143, 0.857, 0.0003], abs=0.01)
    assert chosen.count(2)


@given(
    size=st.tuples(st.integers(20, 90), st.integers(20, 90)),
    stretch=st.integers(1, 3),
    variant=st.integers(0, 5),
)
def test_source_target_and_mask_are_cropped_alike(size: tuple[int, int], stretch: int, variant: int) -> None:
    """Position as colour: whatever lies at one place in the three lies at one place in the view."""
    width, height = size
    ramp = np.zeros((height, width, 3), np.uint8)
    ramp[..., 0] = np.linspace(0, 255, width).astype(np.uint8)
    ramp[..., 1] = np.linspace(0, 255, height).astype(np.uint8)[:, None]
    source = Image.fromarray(ramp)
    target = source.resize((width * stretch, height * stretch), Image.Resampling.BICUBIC)
    mask = Image.fromarray((ramp[..., 0] >= 128).astype(np.uint8) * 255)
    transform = Transform(bucket_sizes(ASPECTS, 32, 4), 3, True, 1, 0.1)
    view = transform(Pair(source, target, mask, "make it red"), variant)
    assert view.source is not None
    expected = transform.sizes[nearest_bucket(size, transform.sizes)][::-1]
    assert view.source.shape[:2] == view.target.shape[:2] == view.edit_mask.shape == expected
    difference = np.abs(view.source.astype(int) - view.target.astype(int))[3:-3, 3:-3]
    assert difference.max(initial=0) <= 24
    clear = np.abs(view.source[..., 0].astype(int) - 128) > 24
    assert ((view.source[..., 0] >= 128) == view.edit_mask)[clear].all()


SHAPES = [(48, 40), (90, 44), (44, 90), (50, 50)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty rows of four shapes, one wide one turned by EXIF, one of no picture."""
    directory = tmp_path_factory.mktemp("files")
    sources = [encoded(picture(i, SHAPES[i % 4])) for i in range(40)]
    turned = Image.Exif()
    turned[0x0112] = 6
    sources[1] = encoded(picture(1, SHAPES[1]), "JPEG", exif=turned)
    sources[7] = b"no picture"
    targets = [picture(100 + i, SHAPES[i % 4]) for i in range(40)]
    targets[1] = picture(101, SHAPES[2])
    table = crispedit([*sources], [*targets], [f"row {i}" for i in range(40)])
    write(table, directory / "a.parquet")
    return directory


def batches(files: Path, tmp_path: Path, share: Share) -> PairBatches:
    rows = edit_rows("mine", spec(files / "*.parquet"), tmp_path)
    transform = Transform(bucket_sizes(ASPECTS, 32, 4), 1, False, 8, 0.2)
    sizes = rows.sizes()
    assert sizes[[0, 1, 2, 7]].tolist() == [[48, 40], [44, 90], [44, 90], [0, 0]]
    buckets = np.array([transform.bucket((w, h)) if w else 1 for w, h in sizes.tolist()])
    mixtures = bucketed(Mixture(0, (1.0,), (np.arange(40),), 1), [buckets])
    assert [mixture.share for mixture in mixtures] == pytest.approx([11 / 40, 20 / 40, 9 / 40])
    return PairBatches([rows], mixtures, transform, BadRows(tmp_path / "bad.csv", 0.5), share)


def said(made: PairBatches, steps: int, workers: int = 0) -> list[tuple[tuple[int, ...], list[str]]]:
    loader = DataLoader(made, batch_size=None, num_workers=workers)
    return [(tuple(batch["target_pixels"].shape[2:]), batch["texts"]) for batch in islice(loader, steps)]


def test_a_batch_has_one_shape_and_is_a_function_of_the_step(files: Path, tmp_path: Path) -> None:
    whole = said(batches(files, tmp_path, Share(4, 0, 0, 1)), 60)
    assert {shape for shape, _ in whole} == {(32, 32), (24, 44), (44, 24)}
    for shape, texts in whole:
        for text in texts:
            wide, high = (0, 0) if text == "row 1" else SHAPES[int(text.split()[1]) % 4]
            assert shape == (
                (44, 24) if wide < high or text == "row 1" else (24, 44) if wide > 60 else (32, 32)
            )
    texts = [text for _, batch in whole for text in batch]
    assert set(texts) == {f"row {i}" for i in range(40) if i != 7}
    assert "mine,7,unreadable source" in (tmp_path / "bad.csv").read_text()
    assert said(batches(files, tmp_path, Share(4, 11, 0, 1)), 5) == whole[11:16]
    assert said(batches(files, tmp_path, Share(4, 11, 0, 1)), 4, workers=2) == whole[11:15]
    parts = [said(batches(files, tmp_path, Share(4, 0, rank, 2)), 6) for rank in range(2)]
    assert [[parts[i % 2][step][1][i // 2] for i in range(4)] for step in range(6)] == [
        texts for _, texts in whole[:6]
    ]


def test_where_all_rows_of_a_shape_are_bad_one_of_another_is_cropped_to_it(
    files: Path, tmp_path: Path
) -> None:
    made = batches(files, tmp_path, Share(4, 0, 0, 1))
    *others, tall = made.mixtures
    made.mixtures = [*others, replace(tall, rows=(np.array([7]),))]  # which holds no picture
    whole = said(made, 20)
    assert {shape for shape, _ in whole} == {(32, 32), (24, 44), (44, 24)}
    assert said(made, 20, workers=2) == whole


def test_of_a_caches_codes_a_shape_without_a_good_row_is_left_out() -> None:
    rows, buckets = np.array([0, 1, 3, 4]), np.array([0, 1, 0, 1, 2])
    assert with_a_good_one(rows, np.array([0, 2, 3]), buckets).tolist() == [0, 1, 3]
    assert with_a_good_one(rows, np.array([2]), buckets).tolist() == []


def test_a_mixture_keeps_its_ratios_over_shapes() -> None:
    """Rows are as likely as without buckets, also where one data set has few of a shape."""
    mixture = Mixture(0, (3.0, 1.0), (np.arange(10), np.arange(10_000)), 1)
    one_wide = np.zeros(10_000, np.int64)
    one_wide[5] = 1
    made = bucketed(mixture, [np.array([0, 1] * 5), one_wide])
    shares = [mixture.share for mixture in made]
    assert sum(shares) == pytest.approx(1)
    assert shares[1] * made[1].ratios[0] / sum(made[1].ratios) == pytest.approx(0.375, abs=1e-3)
    assert [len(rows) for rows in made[1].rows] == [5, 1] and made[1].ratios[1] > 0


def test_sizes_are_read_once(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = edit_rows("mine", spec(files / "*.parquet"), tmp_path, max_pixels=1).sizes()
    monkeypatch.setattr(EditRows, "size", None)
    assert (edit_rows("mine", spec(files / "*.parquet"), tmp_path, max_pixels=1).sizes() == first).all()


def test_training_from_the_cache_is_training_from_pixels(
    tiny_bundle: Path, files: Path, tmp_path: Path
) -> None:
    datasets = {"mine": spec(files / "*.parquet")}
    changes = {"crops": 2, "flip": True, "max_aspect_change": 0.2, "aspect_buckets": ASPECTS, "dev_size": 8}
    config = settings(tiny_bundle, datasets, tmp_path, **changes)
    pixels = losses(config, tmp_path / "pixels")
    config["data"]["token_cache"] = str(tmp_path / "cache")
    prepare(preparation(config))
    cached = losses(config, tmp_path / "cached")
    assert len(pixels) == 4 and cached == pixels


def test_dev_batches_have_one_shape_each(tiny_bundle: Path, files: Path, tmp_path: Path) -> None:
    from editmgt.training.parts import starting_parts

    changes = {"max_aspect_change": 0.2, "aspect_buckets": ASPECTS, "dev_size": 8, "batch_size": 1}
    config = settings(tiny_bundle, {"mine": spec(files / "*.parquet")}, tmp_path, **changes)
    codec, text, transformer = starting_parts(config["init_from"], Model.model_validate(config["model"]))
    cell = codec.downsampling * transformer.cell_size
    made = EditData(
        "editor",
        codec,
        text,
        Edits.model_validate(config["data"]),
        text_learns=True,
        directory=tmp_path,
        pixels_per_cell=cell,
    )
    shapes = [batch["target_tokens"].shape[1:] for batch in made.dev_batches()]
    assert len(shapes) == len(made.dev_samples) and len(set(shapes)) > 1
    assert all(side % transformer.cell_size == 0 for shape in shapes for side in shape)


def test_what_buckets_cannot_do_is_told_before(tiny_bundle: Path, files: Path, tmp_path: Path) -> None:
    datasets = {"mine": spec(files / "*.parquet")}
    config = settings(tiny_bundle, datasets, tmp_path, aspect_buckets=[1.0, 2.0], streaming=True)
    assert any(line.startswith("data.aspect_buckets needs every picture's size") for line in problems(config))
    config["data"] |= {"streaming": False, "aspect_buckets": [9.0]}
    assert any("data.aspect_buckets" in line for line in problems(config))
