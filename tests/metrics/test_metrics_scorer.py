"""Which metrics run: asked for by name, or as a protocol's preset, with and without their weights."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from metric_weights import Colours, configured, pictures, settings_of
from safetensors.torch import load_file, save_file

from editmgt.benchmarks.protocols.scenes import rows as scenes
from editmgt.editing import Editor
from editmgt.errors import UserError
from editmgt.evaluation.evaluate import evaluate
from editmgt.files import read_json
from editmgt.metrics import (
    REGISTRY,
    Backbones,
    EditBatch,
    Scorer,
    SetScores,
    chosen,
    identity,
    metric_names,
    scorer_of,
)
from editmgt.metrics.backbones import DEFAULTS
from editmgt.metrics.distribution import fid

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf" / "metrics"


@pytest.fixture
def nothing_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def batch(count: int, seed: int = 0) -> EditBatch:
    edited, source, target = (pictures(count, 3 * seed + i) for i in range(3))
    mask = torch.rand(count, 48, 40, generator=torch.Generator().manual_seed(seed)) < 0.5
    captions = [f"a picture {i}" for i in range(count)]
    return EditBatch(
        edited, source, target, mask, source, source_caption=captions, target_caption=["x", *captions[1:]]
    )


def test_a_metric_by_name_without_weights_is_an_error_that_says_what_to_do(nothing_cached: None) -> None:
    with pytest.raises(UserError) as caught:
        Scorer(["whole/l1", "clip/i", "whole/lpips"])
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("clip/i cannot be computed: open_clip_model.safetensors of timm/")
    assert "alexnet-owt-7be5be79.pth is not in" in lines[1] and lines[1].endswith(
        "metrics.lpips.weights=FILE."
    )


def test_a_presets_metric_without_weights_is_left_out_and_said(nothing_cached: None) -> None:
    scorer = Scorer(["whole/l1", "clip/i", "set/fid"], required=False)
    assert scorer.names == ("whole/l1",) and scorer.sets == ()
    assert set(scorer.not_run) == {"clip/i", "set/fid"}
    assert set(scorer.score(batch(2))) == {"whole/l1"}


def test_the_default_needs_no_weights(nothing_cached: None) -> None:
    scorer = Scorer()
    assert scorer.names == metric_names() and not scorer.not_run
    assert all(REGISTRY[name].backbone is None for name in scorer.names)


def test_scores_are_the_registrys(tiny_backbones: Backbones) -> None:
    names = [name for name, spec in REGISTRY.items() if spec.backbone not in (None, "inception")]
    b = batch(3)
    scores = Scorer(names, tiny_backbones).score(b)
    assert list(scores) == names
    with_networks = EditBatch(**(vars(b) | {"backbones": tiny_backbones}))
    for name in names:
        torch.testing.assert_close(scores[name], REGISTRY[name].score(with_networks), equal_nan=True)


def test_what_a_benchmark_lacks_is_not_defined(tiny_backbones: Backbones) -> None:
    b = EditBatch(*(vars(batch(3))[name] for name in ("edited", "source")), None, None, None)
    scores = Scorer(
        ["source/l1", "whole/l1", "outside/ssim", "clip/t", "clip/i_source"], tiny_backbones
    ).score(b)
    defined = {name: bool((~values.isnan()).all()) for name, values in scores.items()}
    assert defined == {
        "source/l1": True, "whole/l1": False, "outside/ssim": False, "clip/t": False, "clip/i_source": True,
    }  # fmt: skip
    assert all(scores[name].isnan().all() for name, whole in defined.items() if not whole)


class _Colours(Backbones):
    def get(self, kind: str) -> torch.nn.Module:
        return Colours()


def test_sets_are_scored_over_all_batches_and_only_if_all_were_seen() -> None:
    first, second = batch(5, 0), batch(6, 1)
    sets = SetScores(["set/fid", "set/kid"], _Colours())
    for part in (first, second):
        sets.update(part.edited, part.target)
    look = Colours()
    expected = fid(
        torch.cat([look(first.edited), look(second.edited)]),
        torch.cat([look(first.target), look(second.target)]),
    )
    found = sets.compute(11)
    assert found["set/fid"] == pytest.approx(expected.item()) and set(found) == {"set/fid", "set/kid"}
    assert sets.compute(12) == {"set/fid/undefined": 12, "set/kid/undefined": 12}  # a resumed run


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_presets_name_metrics_that_exist(path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    names = chosen(configured(preset=config["preset"]))
    assert len(set(names)) == len(names)
    if path.stem == "default":
        assert {kind: config[kind] for kind in DEFAULTS} == DEFAULTS
        assert names == metric_names()


def test_names_win_over_the_preset() -> None:
    assert chosen(configured(names=["whole/l1"], preset=["clip/i"])) == ("whole/l1",)
    assert chosen(configured(preset=["clip/i"])) == ("clip/i",)
    assert chosen(configured(names=[])) == ()


def test_one_scorer_for_equal_configurations(metric_weights_dir: Path) -> None:
    config = configured(names=["dino/i"], **settings_of(metric_weights_dir))
    assert scorer_of(config) is scorer_of(config.model_copy())


def test_the_identity_holds_names_backbones_and_weights(metric_weights_dir: Path, tmp_path: Path) -> None:
    config = settings_of(metric_weights_dir)
    found = identity(configured(names=["whole/l1", "clip/i", "dino/i"], **config))
    assert found["names"] == ["whole/l1", "clip/i", "dino/i"] and set(found["backbones"]) == {"clip", "dino"}
    assert identity(configured(names=["whole/l1"], **config))["backbones"] == {}

    other = tmp_path / "dino"
    other.mkdir()
    for name in ("config.json", "model.safetensors"):
        (other / name).write_bytes((metric_weights_dir / "dino" / name).read_bytes())
    moved = identity(configured(names=["dino/i"], **config | {"dino": {"weights": str(other)}}))["backbones"]
    assert moved["dino"] == found["backbones"]["dino"]
    tensors = load_file(other / "model.safetensors")
    tensors["layernorm.bias"] += 1
    other = tmp_path / "changed"
    other.mkdir()
    (other / "config.json").write_bytes((metric_weights_dir / "dino" / "config.json").read_bytes())
    save_file(tensors, other / "model.safetensors", {"format": "pt"})
    identity(configured(names=[]))  # another configuration in between
    changed = identity(configured(names=["dino/i"], **config | {"dino": {"weights": str(other)}}))[
        "backbones"
    ]
    assert changed != moved


@pytest.mark.filterwarnings("ignore::editmgt.editing.InstructionCut")
def test_an_evaluation_goes_on_without_what_it_cannot_have_and_says_so(
    nothing_cached: None, metric_weights_dir: Path, tiny_editor: Editor, tmp_path: Path
) -> None:
    settings = settings_of(metric_weights_dir)
    backbones = Backbones({"dino": settings["dino"]})
    scorer = Scorer(["whole/l2", "dino/i_source", "clip/t", "set/fid"], backbones, required=False)
    rows = scenes(size=2, resolution=32)
    summary = evaluate(
        tiny_editor, [rows[0], rows[1]], tiny_editor.settings, tmp_path, batch_size=2, metrics=scorer
    )
    assert {"whole/l2", "dino/i_source"} < set(summary) and -1 <= summary["dino/i_source"] <= 1
    assert summary["clip/t/not_run"] == summary["set/fid/not_run"] == 2
    assert "clip/t" not in summary and "set/fid" not in summary
    assert read_json(tmp_path / "metrics.json") == summary
    assert read_json(tmp_path / "not_run.json") == scorer.not_run
    assert "clip/t" not in (tmp_path / "samples.csv").read_text().splitlines()[0]


def test_the_command_stops_before_any_work(tmp_path: Path) -> None:
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "src"), "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_CACHE": str(tmp_path / "hf" / "hub"), "TORCH_HOME": str(tmp_path / "torch"),
    }  # fmt: skip
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        [sys.executable, ROOT / "evaluate.py", "metrics.names=[clip/i,whole/l1,set/fid]", "metrics.lpips.net=vgg"],
        cwd=work, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and done.stdout == "", done.stderr
    # on a new machine matplotlib, which torchmetrics imports, says that it looks for fonts
    lines = [line for line in done.stderr.splitlines() if "font cache" not in line]
    assert len(lines) == 2, done.stderr
    assert lines[0].startswith(
        "metrics.names: clip/i cannot be computed: open_clip_model.safetensors of timm/"
    )
    assert lines[1].startswith(
        "metrics.names: set/fid cannot be computed: weights-inception-2015-12-05-6726825d.pth"
    )
    assert [*work.iterdir()] == []


@pytest.mark.parametrize("value", [1.026, -0.01, float("inf"), -float("inf")])
def test_a_value_out_of_its_range_is_an_error(value: float) -> None:
    spec = REGISTRY["localization/auc"]
    with pytest.raises(
        ValueError, match=r"^localization/auc is .*, which is no value of it: it lies in 0 to 1$"
    ):
        spec.check(torch.tensor([0.5, value]))
    spec.check(torch.tensor([0, 1, 1 + 1e-6, -1e-6, float("nan")]))  # rounding, and what is not defined


def test_an_open_end_is_open_but_not_infinite() -> None:
    spec = REGISTRY["edit/ratio"]
    spec.check(torch.tensor([0.0, 1e6]))
    with pytest.raises(ValueError, match=r"edit/ratio is inf, .* 0 to infinity"):
        spec.check(torch.tensor([float("inf")]))
    assert REGISTRY["set/kid"].range == "-infinity to infinity"


@pytest.mark.filterwarnings("ignore::editmgt.editing.InstructionCut")
def test_a_value_out_of_its_range_is_a_failed_row(
    tiny_editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A metric that computes 1.026 for the second sample: that row has no result, and the mean is without it."""
    spec, calls = REGISTRY["localization/auc"], iter([[0.5, 1.026], [0.5], [1.026]])
    broken = replace(spec, function=lambda *_: torch.tensor(next(calls)))
    monkeypatch.setitem(REGISTRY, "localization/auc", broken)
    summary = evaluate(
        tiny_editor, scenes(size=2, resolution=32), tiny_editor.settings, tmp_path, metrics=[spec.name]
    )
    assert (summary["n"], summary["failed"], summary[spec.name]) == (1, 1, 0.5)
    assert "localization/auc is 1.026" in (tmp_path / "samples.csv").read_text()
