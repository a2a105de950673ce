"""Several benchmarks in one sweep: rows, controls of each, published numbers, the robustness table; bad input."""

import json
import threading
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import datasets
import pandas
import pytest
import yaml
from PIL import Image

from editmgt.benchmarks.published import LABEL
from editmgt.files import read_json, write_json
from editmgt.results.rows import COLUMNS

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def run(run: Callable[..., int]) -> Callable[..., int]:
    """``evaluate.py`` in this process."""
    return partial(run, "evaluate")


def own_pictures(path: Path) -> Path:
    for name in ("source", "target"):
        (path / name).mkdir(parents=True)
        Image.new("RGB", (32, 24), "red").save(path / name / "a.png")
    (path / "instructions.jsonl").write_text(json.dumps({"file": "a", "instruction": "make it red"}))
    return path


def test_a_sweep_over_slices(
    run: Callable[..., int], tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "-m", f"checkpoint='{tiny_bundle}'", "benchmark=scenes_ambiguous,scenes_noop", "logger=none", "debug=few",
        "benchmark.resolution=32",
    ]  # fmt: skip
    assert run(*arguments) == 0
    [sweep] = Path("outputs/sweeps").iterdir()
    for name in ("ambiguous", "noop"):
        rows = pandas.read_csv(sweep / f"benchmark-scenes_{name}" / "samples.csv")
        assert rows["slice"].tolist() == [name] * 4
        controls = sweep / "reference" / f"scenes_{name}" / "controls"
        assert {path.parent.name for path in controls.glob("*/samples.csv")} == {
            "copy_source", "codec_source", "codec_target", "oracle_mask",
        }  # fmt: skip
    stores = [path.name.split("-")[0] for path in Path("outputs/edits").iterdir() if path.is_dir()]
    assert sorted(stores) == ["scenes_ambiguous", "scenes_noop"]  # side by side, neither waits for the other
    noop = read_json(sweep / "reference" / "scenes_noop" / "controls" / "oracle_mask" / "metrics.json")
    assert noop["edit/success"] == 1  # nothing may change, and nothing does
    report = (sweep / "report" / "report.md").read_text()
    assert all(f"control: oracle mask, scenes_{name}" in report for name in ("ambiguous", "noop"))

    # Cut off after two rows, the cell goes on from them; what is finished stays.
    cell = sweep / "benchmark-scenes_noop"
    status, rows = read_json(cell / "status.json"), (cell / "samples.csv").read_text()
    write_json(cell / "status.json", status | {"state": "running"})
    (cell / "metrics.json").unlink()
    kept = "".join(rows.splitlines(keepends=True)[:3]).replace("make", "MAKE").replace("remove", "REMOVE")
    (cell / "samples.csv").write_text(kept)
    capsys.readouterr()
    assert run(*arguments) == 0
    assert capsys.readouterr().out.count("done before, skipped") == 1
    assert (cell / "samples.csv").read_text().startswith(kept)
    assert len(pandas.read_csv(cell / "samples.csv")) == 4 and read_json(cell / "metrics.json")["n"] == 4


def judged_pictures(path: Path) -> Path:
    """A directory that is ImgEdit's and GEdit's at once."""
    path.mkdir()
    Image.new("RGB", (32, 24), "red").save(path / "1.png")
    entry = {"id": "1.png", "prompt": "make it blue", "edit_type": "color"}
    (path / "basic_edit.json").write_text(json.dumps({"1": entry}))
    row = {"task_type": "color", "key": "k", "instruction": "make it red", "instruction_language": "en"}
    picture = {"bytes": (path / "1.png").read_bytes(), "path": None}
    features = {name: datasets.Value("string") for name in row} | {"input_image": datasets.Image()}
    rows = datasets.Dataset.from_list([row | {"input_image": picture}], datasets.Features(features))
    rows.to_parquet(path / "train.parquet")
    return path


def test_a_key_below_a_group_that_is_swept(
    run: Callable[..., int], tiny_bundle: Path, tmp_path: Path
) -> None:
    """``benchmark.path`` is of both benchmarks, and not of the one that nobody chose."""
    path = judged_pictures(tmp_path / "judged")
    arguments = ["-m", f"checkpoint='{tiny_bundle}'", "benchmark=gedit,imgedit", f"benchmark.path='{path}'"]
    assert run(*arguments, "logger=none", "sampler.steps=1") == 0
    [sweep] = Path("outputs/sweeps").iterdir()
    for name in ("gedit", "imgedit"):
        assert read_json(sweep / f"benchmark-{name}" / "metrics.json")["n"] == 1


def test_a_judge_that_did_not_answer_is_asked_again(
    run: Callable[..., int], tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200 if len(asked) > 1 else 503)
            self.end_headers()
            reply = {"choices": [{"message": {"content": '{"score": [4, 3, 2]}'}}]}
            self.wfile.write(json.dumps(reply).encode())

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    path = judged_pictures(tmp_path / "judged")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        arguments = [
            "-m", f"checkpoint='{tiny_bundle}'", "benchmark=imgedit", f"benchmark.path='{path}'", "logger=none",
            f"benchmark.judge.endpoint=http://127.0.0.1:{server.server_address[1]}/v1", "benchmark.judge.model=seer",
            "benchmark.judge.attempts=1", "sampler.steps=1", "seed=0,1",
        ]  # fmt: skip
        assert run(*arguments) == 0
        assert "0 judged, 1 not (judge.csv says why; the same command asks again)" in capsys.readouterr().out
        assert run(*arguments) == 0
        printed = capsys.readouterr().out
        assert len(asked) == 3 and printed.count("done before, skipped") == 1 and "1 judged\n" in printed
        assert run(*arguments) == 0
        assert len(asked) == 3 and capsys.readouterr().out.count("done before, skipped") == 2
        server.shutdown()


def test_your_own_pictures_and_their_mistakes(
    run: Callable[..., int], tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = own_pictures(tmp_path / "own")
    arguments = [f"checkpoint='{tiny_bundle}'", "benchmark=folder", f"benchmark.path='{path}'", "logger=none"]
    assert run(*arguments, "sampler.steps=1") == 0
    [directory] = Path("outputs/runs").iterdir()
    assert read_json(directory / "metrics.json")["n"] == 1
    assert not (directory / "reference" / "controls" / "oracle_mask").exists()  # nobody knows the mask
    capsys.readouterr()
    Image.new("RGB", (32, 24)).save(path / "source" / "lonely.png")
    assert run(*arguments, "benchmark.batch_size=1") == 2  # equal rows would be shared in this process
    assert "source/lonely.png has no instruction" in capsys.readouterr().err
    assert len(list(Path("outputs/runs").iterdir())) == 1


def test_long_instructions_are_counted_first_and_listed_in_the_rows(
    run: Callable[..., int], tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once, however many batches they are in; where none is long nothing is said, and no column is there."""
    path = own_pictures(tmp_path / "own")
    long = "make the very large red circle on the left of the small green square blue and remove the star"
    said = ["make it red", long, f"please {long}"]
    lines = [json.dumps({"file": "a", "instruction": text}) for text in said]
    (path / "instructions.jsonl").write_text("\n".join(lines))
    arguments = [f"checkpoint='{tiny_bundle}'", "benchmark=folder", f"benchmark.path='{path}'", "logger=none"]
    assert run(*arguments, "sampler.steps=1", "benchmark.batch_size=1") == 0
    captured = capsys.readouterr()
    [line] = [line for line in captured.out.splitlines() if "longer than" in line]
    assert "2 of 3 instructions are longer than the 16 tokens" in line and "longer than" not in captured.err
    assert (
        captured.out.index("3 samples of folder") < captured.out.index(line) < captured.out.index("3 scored")
    )
    [directory] = Path("outputs/runs").iterdir()
    rows = pandas.read_csv(directory / "samples.csv")
    assert rows["instruction/cut"].tolist() == [0, 1, 1] and rows["instruction"].tolist() == said
    assert read_json(directory / "metrics.json")["instruction/cut"] == pytest.approx(2 / 3)
    (path / "instructions.jsonl").write_text(lines[0])
    assert run(*arguments, "sampler.steps=1", "benchmark.size=1") == 0
    assert "longer than" not in capsys.readouterr().out
    [other] = [path for path in Path("outputs/runs").iterdir() if path != directory]
    assert "instruction/cut" not in (other / "samples.csv").read_text()


PAIRWISE = [
    "benchmark=scenes_small",
    "benchmark.judge.endpoint=http://127.0.0.1:9/v1",
    "benchmark.judge.model=seer",
]


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["benchmark=folder"], "benchmark.path has no value: write benchmark.path=VALUE."),
        (["benchmark=scenes_smal"], "Did you mean 'scenes_small'?"),
        (
            ["benchmark=scenes_small", "benchmark.name=scenes_tiny"],
            "benchmark.name=scenes_tiny must be one of",
        ),
        (["benchmark=scenes_small", "benchmark.size=0"], "benchmark.size=0 must be at least 1."),
        (
            ["benchmark=scenes_small", "benchmark.split=train"],
            "benchmark.split=train must be one of test, dev",
        ),
        (["benchmark=gedit", "benchmark.judge.endpoint=http://localhost:1/v1"], "benchmark.judge.model"),
        (["experiment=localization_layers", "localization_layers.subsets=[[1,99]]"], "[1,99] names a block"),
        (
            PAIRWISE,
            "benchmark.judge.kind=pairwise has nothing to compare this one cell with: sweep over a setting (-m)",
        ),
        (
            [*PAIRWISE, "benchmark.judge.candidates=gone"],
            "benchmark.judge.candidates=gone is no directory with metadata.jsonl",
        ),
        ([*PAIRWISE, "benchmark.judge.kind=scores"], "benchmark.judge.kind=scores must be one of pairwise"),
        ([*PAIRWISE, "benchmark.judge.kind=pairwis"], "benchmark.judge.kind=pairwis must be one of pairwise"),
    ],
)
def test_mistakes(
    run: Callable[..., int],
    tiny_bundle: Path,
    overrides: list[str],
    line: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(f"checkpoint='{tiny_bundle}'", "logger=none", *overrides) == 2
    told = capsys.readouterr().err
    assert line in told and len(told.splitlines()) == 1
    assert not Path("outputs").exists()


@pytest.mark.parametrize(
    ("benchmark", "preset", "metrics", "published_row"),
    [
        (
            "magicbrush",
            ["whole/l1", "whole/l2", "clip/i", "dino/i", "clip/t"],
            {"whole/l1": 0.05, "clip/i": 0.9},
            f"| EditMGT 960M on magicbrush ({LABEL}) | 0.058 | 0.911 |  |",
        ),
        (
            "emu_edit",
            ["clip/i_source", "clip/t", "clip/dir", "dino/i_source", "source/l1"],
            {"clip/i_source": 0.9, "clip/t": 0.2, "source/l1": 0.1},
            f"| EditMGT 960M on emu_edit ({LABEL}) | 0.878 | 0.308 |  |  |",
        ),
        ("pie_bench", ["outside_all/psnr", "clip/t"], {"outside_all/psnr": 20.0}, ""),
        (
            "gedit",
            None,
            {"judge/n": 1, "judge/failed": 2, "judge/overall": 6.0, "judge/overall[style]": 6.0},
            f"| EditMGT 960M, English on gedit ({LABEL}) | 5.870 |  |",
        ),
    ],
)
def test_a_protocols_own_metrics_stand_beside_published_ones(
    tmp_path: Path, benchmark: str, preset: list[str] | None, metrics: dict[str, float], published_row: str
) -> None:
    """The table has the columns that the run has, none of them empty, and says what was not measured here."""
    from editmgt.report import build

    scored = [name for name in metrics if not name.startswith("judge/")]
    config: dict[str, Any] = {"benchmark": {"name": benchmark}, "metrics": {"names": None, "preset": preset}}
    write_json(tmp_path / "plan.json", {"task": "evaluate", "cells": {"": []}})
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    write_json(tmp_path / "status.json", {"state": "done", "error": None})
    write_json(tmp_path / "metrics.json", {"n": 1, "failed": 0, **metrics})
    row = ["a", "a", "add", "", "add a hat", "0", "ok", "", *(str(metrics[name]) for name in scored)]
    (tmp_path / "samples.csv").write_text("\n".join([",".join([*COLUMNS, *scored]), ",".join(row)]) + "\n")
    build(tmp_path)
    report = (tmp_path / "report" / "report.md").read_text()
    [head] = (line for line in report.splitlines() if line.startswith("|  |") and "n |" in line)
    shown = [name for name in metrics if name not in ("judge/n", "judge/failed", "judge/overall[style]")]
    assert [text.split()[0] for text in head.split("|")[2:-2]] == shown
    assert "1 (2 not judged)" in report if benchmark == "gedit" else "(2 not judged)" not in report
    if published_row:
        assert published_row in report and f"{LABEL} (EditMGT, arXiv 2512.11715)" in report


def test_the_layer_study_writes_its_table(run: Callable[..., int], tiny_bundle: Path) -> None:
    arguments = ["experiment=localization_layers", "debug=few", "logger=none", "benchmark.resolution=32"]
    assert run(f"checkpoint='{tiny_bundle}'", *arguments, "localization_layers.subsets=[[0,3]]") == 0
    [directory] = Path("outputs/runs").iterdir()
    assert {path.suffix for path in directory.glob("localization_layers.*")} == {".csv", ".md", ".png"}
