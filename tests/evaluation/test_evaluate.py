"""The benchmark end to end with a real editor of random weights: rows, means, failures, controls."""

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from PIL import Image

from editmgt.benchmarks.protocols.scenes import rows as scenes
from editmgt.config.benchmark import benchmark_schema
from editmgt.data.sample import EditPair
from editmgt.data.scenes import EDIT_TYPES
from editmgt.editing import Editor
from editmgt.errors import UserError
from editmgt.evaluation.evaluate import controls, evaluate
from editmgt.evaluation.summary import summarise
from editmgt.files import read_json
from editmgt.metrics import REGISTRY, metric_names
from editmgt.metrics.registry import EditBatch
from editmgt.results.rows import COLUMNS
from editmgt.settings.mistakes import mistakes

# The tests' text encoder reads 16 tokens.
pytestmark = pytest.mark.filterwarnings("ignore::editmgt.editing.InstructionCut")

N = 9
# Another batch size moves the decoder's floats in the last digit, and so, rarely, a pixel by one of its 256
# levels; codes, maps and held tokens are the same.
CLOSE = 1e-3


def read(path: Path) -> pandas.DataFrame:
    return pandas.read_csv(path, keep_default_na=False, na_values={name: [""] for name in metric_names()})


@pytest.fixture(scope="module")
def samples() -> list[EditPair]:
    rows = scenes(size=N, resolution=32)
    return [rows[i] for i in range(N)]


@pytest.fixture(scope="module")
def found(
    tiny_editor: Editor, samples: list[EditPair], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, float]]:
    out = tmp_path_factory.mktemp("evaluation")
    return out, evaluate(tiny_editor, samples, tiny_editor.settings, out, batch_size=4, seed=7)


def test_a_row_for_every_sample_and_the_means_of_those_rows(
    found: tuple[Path, dict[str, float]], samples: list[EditPair]
) -> None:
    out, summary = found
    assert read_json(out / "metrics.json") == summary
    table = read(out / "samples.csv")
    assert list(table.columns) == [*COLUMNS, *metric_names()]
    assert table["sample_id"].tolist() == [sample.sample_id for sample in samples]
    assert table["instruction"].tolist() == [sample.instruction for sample in samples]
    assert set(table["seed"]) == {7}
    assert set(table["status"]) == {"ok"} and set(table["error"]) == {""}
    assert (summary["n"], summary["failed"]) == (N, 0)
    for name in metric_names():
        assert table[name].mean() == pytest.approx(summary.get(name, math.nan), nan_ok=True)
        assert table[name].isna().sum() == summary.get(f"{name}/undefined", 0)
    for edit_type, rows in table.groupby("edit_type"):
        assert rows["edit/success"].mean() == pytest.approx(summary[f"edit/success[{edit_type}]"])
        assert summary[f"n[{edit_type}]"] == len(rows)


def test_rows_are_what_the_editor_and_the_metrics_say(
    tiny_editor: Editor, found: tuple[Path, dict[str, float]], samples: list[EditPair]
) -> None:
    """By another way round: one call for all samples, and plain means."""

    def pixels(images: Sequence[np.ndarray | Image.Image]) -> torch.Tensor:
        return torch.tensor(np.stack([np.asarray(i) for i in images])).permute(0, 3, 1, 2).float() / 255

    result = tiny_editor.edit(
        [sample.source for sample in samples],
        [sample.instruction for sample in samples],
        sample_ids=[sample.sample_id for sample in samples],
        seed=7,
    )
    source = pixels([sample.source for sample in samples])
    with torch.inference_mode():
        codec = tiny_editor.codec.decode(tiny_editor.codec.encode(source))
    batch = EditBatch(
        edited=pixels(result.images),
        source=source,
        target=pixels([sample.target for sample in samples]),
        edit_mask=torch.tensor(np.stack([sample.edit_mask for sample in samples])),
        source_codec=(codec * 255).round() / 255,
        localization=torch.stack(list(result.localization)),
        held=torch.stack(list(result.held)),
        hold_threshold=tiny_editor.settings.hold_threshold,
    )
    names = [name for name in metric_names() if name != "speed/edit_seconds"]
    _, summary = found
    for name in names:
        mean = REGISTRY[name].score(batch).nanmean().item()
        assert summary.get(name, math.nan) == pytest.approx(mean, rel=CLOSE, abs=CLOSE, nan_ok=True), name


def test_a_row_does_not_depend_on_its_batch(
    tiny_editor: Editor, found: tuple[Path, dict[str, float]], samples: list[EditPair], tmp_path: Path
) -> None:
    out, _ = found
    evaluate(tiny_editor, samples[3:6], tiny_editor.settings, tmp_path, batch_size=1, seed=7)
    alone, together = read(tmp_path / "samples.csv"), read(out / "samples.csv")[3:6].reset_index(drop=True)
    same = [column for column in alone.columns if column != "speed/edit_seconds"]
    pandas.testing.assert_frame_equal(alone[same], together[same], rtol=CLOSE, atol=CLOSE)


def test_the_picture_page(found: tuple[Path, dict[str, float]]) -> None:
    with Image.open(found[0] / "samples.png") as image:
        image.load()
        assert image.width > image.height / 8 > 32


class Broken:
    """The rows of a benchmark of which one file is corrupt, one instruction empty and one mask too small."""

    def __init__(self, samples: Sequence[EditPair]) -> None:
        self.samples = list(samples)
        self.samples[3] = dataclasses.replace(samples[3], instruction=" ")
        self.samples[5] = dataclasses.replace(samples[5], edit_mask=np.ones((4, 4), dtype=bool))

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> EditPair:
        if index == 1:
            raise OSError("cannot read\nphoto.jpg")
        return self.samples[index]


def test_a_failed_sample_is_a_failed_row_and_the_others_go_on(
    tiny_editor: Editor, found: tuple[Path, dict[str, float]], samples: list[EditPair], tmp_path: Path
) -> None:
    steps: list[tuple[int, int]] = []
    summary = evaluate(
        tiny_editor,
        Broken(samples),  # type: ignore[arg-type]
        tiny_editor.settings,
        tmp_path,
        batch_size=4,
        seed=7,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert (summary["n"], summary["failed"]) == (N - 3, 3)
    assert steps == [(0, N), (4, N), (8, N), (9, N)]
    table = read(tmp_path / "samples.csv")
    failed = table[table["status"] == "failed"]
    assert failed["sample_id"].tolist() == ["#1", samples[3].sample_id, samples[5].sample_id]
    errors = failed["error"].tolist()
    assert errors[0] == "OSError: cannot read photo.jpg"
    assert "instruction is empty" in errors[1] and "differ in size" in errors[2]
    assert failed[[*metric_names()]].isna().all(axis=None)
    others = [i for i in range(N) if i not in (1, 3, 5)]
    before = read(found[0] / "samples.csv")
    assert table["edit/ratio"][others].tolist() == pytest.approx(
        before["edit/ratio"][others].tolist(), rel=1e-4
    )


def test_when_everything_fails_there_is_still_a_table(tiny_editor: Editor, tmp_path: Path) -> None:
    class Nothing:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> EditPair:
            raise ValueError("gone")

    summary = evaluate(tiny_editor, Nothing(), tiny_editor.settings, tmp_path)  # type: ignore[arg-type]
    assert summary == {"n": 0, "failed": 2}
    assert len(read(tmp_path / "samples.csv")) == 2


def test_pictures_of_several_sizes(tiny_editor: Editor, samples: list[EditPair], tmp_path: Path) -> None:
    def crop(sample: EditPair, height: int, width: int) -> EditPair:
        parts = {k: getattr(sample, k)[:height, :width] for k in ("source", "target", "edit_mask")}
        return dataclasses.replace(sample, **parts)

    mixed = [samples[0], crop(samples[1], 32, 20), samples[2], crop(samples[3], 20, 32)]
    summary = evaluate(tiny_editor, mixed, tiny_editor.settings, tmp_path)
    assert (summary["n"], summary["failed"]) == (4, 0)
    assert read(tmp_path / "samples.csv")["sample_id"].tolist() == [sample.sample_id for sample in mixed]


def test_only_the_metrics_asked_for(tiny_editor: Editor, samples: list[EditPair], tmp_path: Path) -> None:
    summary = evaluate(tiny_editor, samples[:2], tiny_editor.settings, tmp_path, metrics=["outside/l1"])
    assert set(summary) - {"outside/l1"} == {key for key in summary if key.split("[")[0] in ("n", "failed")}
    assert list(read(tmp_path / "samples.csv").columns) == [*COLUMNS, "outside/l1"]


@pytest.mark.parametrize(
    ("changes", "metrics"), [({}, ["outside/l3"]), ({"steps": 0}, None), ({"layers": (99,)}, None)]
)
def test_mistakes_are_told_before_any_work(
    tiny_editor: Editor, changes: dict[str, Any], metrics: list[str] | None, tmp_path: Path
) -> None:
    settings = tiny_editor.settings.override(**changes)
    with pytest.raises(UserError):
        evaluate(tiny_editor, [], settings, tmp_path / "out", metrics=metrics)
    assert not (tmp_path / "out").exists()


def test_controls(tiny_editor: Editor, samples: list[EditPair], tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    found = controls(
        tiny_editor,
        samples,
        tiny_editor.settings,
        tmp_path,
        batch_size=4,
        progress=lambda done, total: steps.append((done, total)),
    )
    copy, source, target = (found[f"control: {name}"] for name in (
        "copy source", "codec round trip of source", "codec round trip of target",
    ))  # fmt: skip
    assert copy["edit/ratio"] == pytest.approx(1) and copy["edit/success"] == 0
    assert copy["outside/l1"] == 0 and copy["outside/ssim"] == pytest.approx(1)
    assert source["outside_codec/l1"] == 0
    assert source["outside_codec/psnr/undefined"] == N  # equal pictures: infinite, so not defined
    assert copy["outside_codec/l1"] == pytest.approx(source["outside/l1"], rel=CLOSE)

    assert set(found) == {key for key in found if key.startswith("control: ")}
    assert not any(name.startswith(("localization/", "speed/")) for name in copy)
    assert steps[-1] == (4 * N, 4 * N) and steps == sorted(steps)
    oracle = found["control: oracle mask"]
    assert 0 < oracle["inside/l1"] != source["inside/l1"]
    for name, summary in (
        ("copy_source", copy),
        ("oracle_mask", oracle),
        ("codec_source", source),
        ("codec_target", target),
    ):
        assert read_json(tmp_path / name / "metrics.json") == summary
        assert len(read(tmp_path / name / "samples.csv")) == N

    # The target's round trip, by hand.
    sample = samples[0]
    [image] = tiny_editor.round_trip([Image.fromarray(sample.target)], 32)
    by_hand = np.abs(np.asarray(image) / 255 - sample.target / 255).mean()
    table = read(tmp_path / "codec_target" / "samples.csv")
    assert table["whole/l1"][0] == pytest.approx(by_hand, rel=CLOSE)


def test_a_noop_is_judged_by_the_codecs_round_trip(
    tiny_editor: Editor, samples: list[EditPair], tmp_path: Path
) -> None:
    nothing = np.zeros_like(samples[0].edit_mask)
    noop = dataclasses.replace(samples[0], target=samples[0].source, edit_mask=nothing)
    found = controls(tiny_editor, [noop], tiny_editor.settings, tmp_path)
    assert found["control: codec round trip of source"]["edit/success"] == 1
    assert found["control: codec round trip of source"]["edit/ratio/undefined"] == 1


def test_the_benchmarks_rows() -> None:
    rows, again = scenes(size=40, resolution=32), scenes(size=40, resolution=32)
    assert len(rows) == 40
    assert rows[5].sample_id == again[5].sample_id and (rows[5].target == again[5].target).all()
    assert {rows[i].edit_type for i in range(40)} == set(EDIT_TYPES)
    for i in range(5):
        differs = (rows[i].source != rows[i].target).any(axis=2)
        assert (rows[i].edit_mask == differs).all()  # so outside the mask the target is the source
    values = {"name": "scenes", "size": 40, "batch_size": 4, "seed": 0, "resolution": 32}
    for key, value, told in (
        ("split", "train", "split=train"),
        ("world", "ful", "Did you mean 'full'"),
        ("size", 0, "size=0"),
    ):
        of_key = values | {"world": "full", "split": "test"} | {key: value}
        [mistake] = mistakes(benchmark_schema("scenes"), of_key, "benchmark")
        assert told in mistake


def test_the_summary_is_plain_json(found: tuple[Path, dict[str, float]]) -> None:
    assert json.loads(json.dumps(found[1], allow_nan=False)) == found[1]
    assert summarise([], []) == {"n": 0, "failed": 0}
