"""Layer by layer: the table agrees with the metrics of an edit that used those layers."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
from hydra import compose, initialize_config_dir
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import DictConfig
from PIL import Image

from editmgt.benchmarks.protocols.scenes import rows as scenes
from editmgt.editing import Editor
from editmgt.evaluation.localization_layers import BINS, FINE, Choice, study
from editmgt.metrics.localization import localization_auc, localization_iou, pointing_game, reliability

pytestmark = pytest.mark.filterwarnings("ignore::editmgt.editing.InstructionCut")


def test_the_table_says_what_an_edit_with_those_layers_says(tiny_editor: Editor, tmp_path: Path) -> None:
    rows = scenes(size=6, resolution=32, split="dev")
    samples = [rows[i] for i in range(6)]
    settings = tiny_editor.settings.override(region_hold=False)
    study(tiny_editor, samples, settings, tmp_path, [[0, 3]], [0.2, 0.5], batch_size=4, seed=5)
    table = pandas.read_csv(tmp_path / "localization_layers.csv", dtype={"layers": str})
    attention = table[table["source"] == "attention"]
    assert set(attention["layers"]) == {"0", "1", "2", "3", "1+2+3", "0+3"} and len(attention) == 6 * 3
    mask = torch.tensor(np.stack([sample.edit_mask for sample in samples]))
    for layers, smoothing in (((0, 3), "gaussian"), ((2,), "none"), ((1, 2, 3), "adaptive")):
        result = tiny_editor.edit(
            [sample.source for sample in samples], [sample.instruction for sample in samples],
            sample_ids=[sample.sample_id for sample in samples], seed=5, region_hold=False, average=True,
            layers=layers, smoothing=smoothing,
        )  # fmt: skip
        maps = torch.stack(list(result.localization))
        name = "+".join(map(str, layers))
        [line] = table[(table["layers"] == name) & (table["smoothing"] == smoothing)].to_dict("records")
        for column, values in (
            ("auc/mean", localization_auc(maps, mask)),
            ("pointing/mean", pointing_game(maps, mask)),
            ("iou@0.5", localization_iou(maps, mask, 0.5)),
        ):
            assert line[column] == pytest.approx(values.nanmean().item(), abs=2e-3), column
        assert line["auc/n"] == (~localization_auc(maps, mask).isnan()).sum()
        assert 0 <= line["auc/low"] <= line["auc/mean"] <= line["auc/high"] <= 1
    told = (tmp_path / "localization_layers.md").read_text()
    assert "layers 0+3, gaussian" in told
    with Image.open(tmp_path / "localization_layers.png") as image:
        assert image.width > 800


def test_maps_of_the_models_predictions_stand_beside_attention(tiny_editor: Editor, tmp_path: Path) -> None:
    rows = scenes(size=4, resolution=32, split="dev")
    samples = [rows[i] for i in range(4)]
    free = tiny_editor.settings.override(region_hold=False, guidance_scale=2.0)
    study(tiny_editor, samples, free, tmp_path, [], [0.2])
    table = pandas.read_csv(tmp_path / "localization_layers.csv").set_index("source")
    mask = torch.tensor(np.stack([sample.edit_mask for sample in samples]))
    for source in ("posterior", "guidance"):
        settings = free.override(map_source=source)
        result = tiny_editor.edit(
            [sample.source for sample in samples], [sample.instruction for sample in samples],
            sample_ids=[sample.sample_id for sample in samples], **settings.to_dict(),
        )  # fmt: skip
        auc = localization_auc(torch.stack(list(result.localization)), mask)
        assert table.loc[source, "auc/mean"] == pytest.approx(auc.nanmean().item(), abs=2e-3)
    unguided = free.override(guidance_scale=1.0)
    study(tiny_editor, samples, unguided, tmp_path, [], [0.2])
    told = pandas.read_csv(tmp_path / "localization_layers.csv")["source"].unique()
    assert list(told) == ["attention", "posterior"]  # without guidance there is nothing to compare with


def test_a_sample_that_cannot_be_measured_is_left_out_and_counted(
    tiny_editor: Editor, tmp_path: Path
) -> None:
    rows = scenes(size=5, resolution=32, split="dev")
    samples = [rows[i] for i in range(5)]
    settings = tiny_editor.settings.override(region_hold=False)
    good = study(tiny_editor, samples[:3], settings, tmp_path, [], [0.2])
    assert (tmp_path / "localization_layers.md").read_text().endswith("Measured: 3 of 3 samples.\n")
    samples[3] = dataclasses.replace(samples[3], instruction=" ")
    samples[4] = dataclasses.replace(samples[4], edit_mask=None)
    mixed = study(tiny_editor, samples, settings, tmp_path, [], [0.2])
    for alone, among in zip(good, mixed, strict=True):
        assert among.mean("auc")[3] == alone.mean("auc")[3]
        assert among.mean("auc")[0] == pytest.approx(alone.mean("auc")[0], abs=2e-3)
        assert among.sums[2].sum() == alone.sums[2].sum()
    told = (tmp_path / "localization_layers.md").read_text()
    assert "Measured: 3 of 5 samples. Left out: 1 that could not be read or edited" in told
    assert "and 1 without an edit mask" in told
    study(tiny_editor, samples[3:], settings, tmp_path, [], [0.2])
    assert "Measured: 0 of 2 samples" in (tmp_path / "localization_layers.md").read_text()


@given(edge=st.integers(1, 99), seed=st.integers(0, 9))
def test_the_calibrated_threshold_is_where_the_mask_becomes_likelier(edge: int, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    scores = torch.rand(1, 64, 64, generator=random)
    inside = torch.rand(1, 64, 64, generator=random) < torch.where(scores * 100 >= edge, 0.9, 0.1)
    choice = Choice("posterior")
    assert np.isnan(choice.calibrated_threshold)
    choice.sums = reliability(scores, inside, BINS * FINE)
    assert choice.calibrated_threshold == pytest.approx(edge / 100, abs=0.011)
    choice.sums[1] = 0
    assert choice.calibrated_threshold == 1


def test_the_dev_split_is_that_of_scenes_alone() -> None:
    conf = str(Path(__file__).parents[2] / "conf")
    with initialize_config_dir(version_base="1.3", config_dir=conf):

        def benchmark(*overrides: str) -> DictConfig:
            return compose("evaluate", list(overrides)).benchmark

        layers = "experiment=localization_layers"
        assert benchmark().split == "test"
        assert benchmark(layers).split == benchmark(layers, "benchmark=scenes_small").split == "dev"
        assert benchmark(layers, "benchmark.split=test").split == "test"
        assert "split" not in benchmark(layers, "benchmark=folder", "benchmark.path=x")


def test_pointing_game() -> None:
    mask = torch.zeros(4, 4, 4, dtype=torch.bool)
    mask[:3, 0, 0] = True
    scores = torch.zeros(4, 4, 4)
    scores[0, 0, 0], scores[1, 3, 3] = 1, 1
    found = pointing_game(scores, mask)
    assert found[:3].tolist() == [1, 0, 1 / 16] and found[3].isnan()


def test_reliability_is_numpys_histogram() -> None:
    random = torch.Generator().manual_seed(0)
    scores, mask = torch.rand(3, 8, 8, generator=random), torch.rand(3, 8, 8, generator=random) < 0.4
    total, hits, counts = reliability(scores, mask, 5)
    flat = scores.double().flatten().numpy()
    assert counts.tolist() == np.histogram(flat, 5, (0, 1))[0].tolist()
    assert hits.tolist() == np.histogram(flat, 5, (0, 1), weights=mask.double().flatten().numpy())[0].tolist()
    assert total.numpy() == pytest.approx(np.histogram(flat, 5, (0, 1), weights=flat)[0])
    together = [
        a + b
        for a, b in zip(
            reliability(scores[:1], mask[:1], 5), reliability(scores[1:], mask[1:], 5), strict=True
        )
    ]
    assert torch.allclose(torch.stack(together), torch.stack([total, hits, counts]))
    assert reliability(torch.tensor([[[1.2, -0.1]]]), torch.tensor([[[True, False]]]), 5)[2].tolist() == [
        1,
        0,
        0,
        0,
        1,
    ]
