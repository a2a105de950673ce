"""Order, mixtures and shares: every row once an epoch, whoever reads it, wherever a run resumes."""

from itertools import islice
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from edit_files import crispedit, data_config, edit_rows, encoded, picture, schemas, spec, write
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from editmgt.config.schema import Edits
from editmgt.data.bad_rows import BadRows
from editmgt.data.batches import PROBLEM, Mixture, PairBatches
from editmgt.data.edit_data import EditData, open_all
from editmgt.data.order import BLOCK, Share, counts, drawn, mixed, shuffled
from editmgt.data.pixels import PixelBatches
from editmgt.data.scenes import SceneDataset
from editmgt.data.transform import Transform

TRANSFORM = Transform(sizes=((32, 32),), crops=1, flip=False, min_side=8, max_aspect_change=0.1)


@given(seed=st.integers(0, 99), size=st.integers(1, 50), epoch=st.integers(0, 5))
def test_an_epoch_is_a_permutation(seed: int, size: int, epoch: int) -> None:
    drawn_ = [shuffled(seed, position, size) for position in range(epoch * size, (epoch + 1) * size)]
    assert sorted(drawn_) == [(row, epoch) for row in range(size)]


@given(
    seed=st.integers(0, 99),
    ratios=st.lists(st.floats(0.01, 10), min_size=1, max_size=4),
    start=st.integers(0, 3000),
)
def test_a_mixture_holds_its_ratios_and_counts_its_draws(seed: int, ratios: list[float], start: int) -> None:
    shares = counts(ratios)
    assert sum(shares) == BLOCK
    assert all(abs(n - BLOCK * r / sum(ratios)) < 1 for n, r in zip(shares, ratios, strict=True))
    expected = drawn(seed, ratios, start)
    for choice, draw in (mixed(seed, ratios, position) for position in range(start, start + 40)):
        assert draw == expected[choice]
        expected[choice] += 1
    assert drawn(seed, ratios, BLOCK) == list(shares)


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """datasets ends every pass over shuffled Parquet files with a pause of five seconds."""
    monkeypatch.setattr(datasets.config, "SLEEP_TIME_ON_THREADS_SHUTDOWN", 0)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of 4 and 5 rows; one row is bad."""
    directory = tmp_path_factory.mktemp("files")
    pictures = [picture(i) for i in range(9)]
    sources = [encoded(p) for p in pictures]
    sources[6] = sources[6][:60]
    table = crispedit([*sources], [*pictures], [f"row {i}" for i in range(9)])
    write(table.slice(0, 4), directory / "0.parquet")
    write(table.slice(4), directory / "1.parquet")
    return directory


def batches(
    files: Path, tmp_path: Path, share: Share, streaming: bool, seed: int = 0, max_share: float = 0.5
) -> PairBatches:
    rows = edit_rows("crispedit", spec(files / "*.parquet"), files, streaming=streaming)
    mixture = Mixture(seed, (1.0,), () if streaming else (np.arange(9),), 1)
    return PairBatches([rows], [mixture], TRANSFORM, BadRows(tmp_path / "bad.csv", max_share), share)


def said(made: PairBatches, count: int, workers: int = 0) -> list[list[str]]:
    loader = DataLoader(made, batch_size=None, num_workers=workers)
    return [batch["texts"] for batch in islice(loader, count)]


def test_batches_by_position(files: Path, tmp_path: Path) -> None:
    whole = said(batches(files, tmp_path, Share(6, 0, 0, 1), False), 3)
    epochs = [text for batch in whole for text in batch]
    assert sorted(set(epochs[:9])) == [f"row {i}" for i in range(9) if i != 6]  # row 7 stands in for row 6
    assert sorted(epochs[:9]) == sorted(epochs[9:]) and epochs[:9] != epochs[9:]
    assert said(batches(files, tmp_path, Share(6, 2, 0, 1), False), 1) == whole[2:]
    for workers in (1, 2):
        assert said(batches(files, tmp_path, Share(6, 1, 0, 1), False), 2, workers) == whole[1:]
    parts = [said(batches(files, tmp_path, Share(6, 0, rank, 3), False), 3) for rank in range(3)]
    assert [[parts[place % 3][step][place // 3] for place in range(6)] for step in range(3)] == whole
    assert (tmp_path / "bad.csv").read_text().count("crispedit,6,unreadable source") >= 1


def test_a_batch_holds_the_pictures(files: Path, tmp_path: Path) -> None:
    [batch] = islice(batches(files, tmp_path, Share(4, 0, 0, 1), False), 1)
    assert batch["source_pixels"].shape == batch["target_pixels"].shape == (4, 3, 32, 32)
    assert batch["source_pixels"].dtype == torch.uint8
    assert (batch["source_pixels"] == batch["target_pixels"]).all()  # as these files were made
    assert batch["index"].tolist() == [0, 1, 2, 3] and batch["global_size"] == 4


@pytest.mark.parametrize("size", [None, 6])
@pytest.mark.parametrize("readers", [1, 2, 3, 4, 5])
def test_a_stream_gives_every_row_to_one_reader_an_epoch(files: Path, readers: int, size: int | None) -> None:
    """Whether the files divide evenly among the readers (1, 2) or not (3, 4, 5: more than there are files)."""
    rows = edit_rows("crispedit", spec(files / "*.parquet"), files, streaming=True, train_size=size)
    orders = [
        [
            table.column("instruction")[0].as_py()
            for node in range(readers)
            for table in rows.epoch(number, node, readers, seed=0)
        ]
        for number in range(2)
    ]
    assert sorted(orders[0]) == sorted(orders[1]) == [f"row {i}" for i in range(size or 9)]
    assert orders[0] != orders[1]


def test_a_stream_resumes_and_stands_in_for_bad_rows(files: Path, tmp_path: Path) -> None:
    whole = said(batches(files, tmp_path, Share(3, 0, 0, 1), True), 6)
    assert len({text for batch in whole[:3] for text in batch}) == 8
    assert said(batches(files, tmp_path, Share(3, 2, 0, 1), True), 4) == whole[2:]
    whole = said(
        batches(files, tmp_path, Share(3, 0, 0, 1), True), 4, workers=1
    )  # a worker has its own order
    assert said(batches(files, tmp_path, Share(3, 2, 0, 1), True), 2, workers=1) == whole[2:]


def test_too_many_bad_rows_reach_the_training_as_one_line(files: Path, tmp_path: Path) -> None:
    made = batches(files, tmp_path, Share(9, 0, 0, 1), False, max_share=0)
    [batch] = DataLoader(made, batch_size=None, num_workers=1)
    assert "data.max_bad_share=0; " in batch[PROBLEM] and "\n" not in batch[PROBLEM]


def test_a_short_stream_leaves_a_row_to_learn_from(files: Path, tmp_path: Path) -> None:
    datasets = {"crispedit": spec(files / "0.parquet")}
    data = data_config(datasets, files, streaming=True, dev_size=64, num_workers=0)
    made = EditData("codec", None, None, Edits.model_validate(data), text_learns=True, directory=tmp_path)
    assert len(made.dev_samples) == 3 and len(made.held_out) == 3


def test_a_stream_of_which_every_row_is_held_out_is_told(files: Path, tmp_path: Path) -> None:
    made = batches(files, tmp_path, Share(3, 0, 0, 1), True)
    [rows] = made.datasets
    made.held_out = frozenset(map(rows.digest, rows.epoch(0, 0, 1, seed=0)))
    [batch] = islice(made, 1)
    assert "data.datasets.crispedit has no row to learn from for process 1 of 1" in batch[PROBLEM]


def test_datasets_are_mixed_by_ratio(files: Path, tmp_path: Path) -> None:
    write(schemas(4)["crispedit"], tmp_path / "other.parquet")
    paths = {"a": files / "0.parquet", "b": tmp_path / "other.parquet"}
    both = [edit_rows(name, spec(path), tmp_path) for name, path in paths.items()]
    mixture = Mixture(3, (3.0, 1.0), (np.arange(4), np.arange(4)), 1)
    made = PairBatches(both, [mixture], TRANSFORM, BadRows(tmp_path / "bad.csv", 0.5), Share(40, 0, 0, 1))
    texts = [text for batch in said(made, 5) for text in batch]
    assert 130 < sum(text.startswith("row") for text in texts) < 170


def test_processes_share_a_codecs_pictures() -> None:
    scenes = SceneDataset("train", size=6, resolution=32)
    whole = next(iter(PixelBatches(scenes, Share(4, 1))))
    parts = [next(iter(PixelBatches(scenes, Share(4, 1, rank, 2)))) for rank in range(2)]
    assert [parts[i % 2]["ids"][i // 2] for i in range(4)] == whole["ids"]
    assert torch.equal(parts[1]["pixels"][:2], whole["pixels"][2:4])


@pytest.mark.parametrize("streaming", [False, True])
def test_the_first_rows_alone(files: Path, tmp_path: Path, streaming: bool) -> None:
    data = data_config({"crispedit": spec(files / "*.parquet")}, files, streaming=streaming, train_size=6)
    made = EditData("codec", None, None, Edits.model_validate(data), text_learns=True, directory=tmp_path)
    [rows] = made.datasets
    assert len(list(rows.dataset)) == 6
    assert len(made.dev_samples) == 1  # a tenth, however many dev_size asks for
    more = data_config({"crispedit": spec(files / "*.parquet")}, files, streaming=streaming, train_size=100)
    [rows] = open_all(Edits.model_validate(more), "codec")
    assert len(list(rows.dataset)) == 9
