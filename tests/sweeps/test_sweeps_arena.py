"""Cells before a judge of two edits at a time: a real sweep, a real HTTP server, the report."""

import csv
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from chat_server import brighter, chat
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from editmgt.evaluation.compared_pictures import COLUMNS, outcome
from editmgt.report import build
from editmgt.report.pairwise import tournament

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def run(run: Callable[..., int]) -> Callable[..., int]:
    """``evaluate.py`` in this process."""
    return partial(run, "evaluate")


def own_pictures(path: Path) -> Path:
    """Two pictures with instructions, and a gallery of one model's edits of the first, all white."""
    (path / "source").mkdir(parents=True)
    for name in "ab":
        Image.new("RGB", (32, 32), "red").save(path / "source" / f"{name}.png")
    lines = [{"file": name, "instruction": f"make {name} white"} for name in "ab"]
    (path / "instructions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (path / "gallery" / "BAGEL").mkdir(parents=True)
    Image.new("RGB", (32, 32), "white").save(path / "gallery" / "BAGEL" / "a.png")
    line = {"key": "a", "candidates": [{"model": "BAGEL", "image": "BAGEL/a.png"}]}
    (path / "gallery" / "metadata.jsonl").write_text(json.dumps(line))
    return path


def test_a_sweeps_cells_and_a_gallery(
    run: Callable[..., int], tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = own_pictures(tmp_path / "own")
    with chat(brighter) as server:
        arguments = [
            "-m", f"checkpoint='{tiny_bundle}'", "benchmark=folder", f"benchmark.path='{path}'", "logger=none",
            f"benchmark.judge.endpoint={server.url}", "benchmark.judge.model=seer", "sampler.steps=1,2",
            f"benchmark.judge.candidates='{path / 'gallery'}'",
        ]  # fmt: skip
        assert run(*arguments) == 0
        printed = capsys.readouterr().out
        # two cells on two samples, and both with the gallery's only picture; three questions
        assert "12 comparisons of 3 editors judged\n" in printed and "ratings on folder" in printed
        [sweep] = Path("outputs/sweeps").iterdir()
        asked = len(server.asked)
        assert run(*arguments) == 0 and len(server.asked) == asked
        report = (sweep / "report" / "report.md").read_text()
        assert "## Pairwise judging on folder" in report and "Ratings by seer, two edits at a time" in report
        assert "each asked in both orders; consistency: 100% had the same answer in both" in report
        [best] = [line for line in report.splitlines() if line.startswith("| BAGEL (gallery) |")]
        assert "[" not in best and best.split("|")[-4:-1] == [" 6 ", " 0 ", " 0 "]
        with (sweep / "report" / "ratings.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert {row["question"] for row in rows} == {"overall", "instruction", "quality", "kept"}
        assert len({row["name"] for row in rows}) == 3 and rows[0]["name"] == "BAGEL (gallery)"
        assert all(row["rating"] and not row["low"] for row in rows if row["name"] == "BAGEL (gallery)")
        assert "Pairwise judging on folder" in (sweep / "report" / "report.html").read_text()

    stored = sweep / "pairwise" / "folder" / "comparisons.csv"
    stored.write_text(stored.read_text().replace("swapped", "turned"))
    build(sweep)
    assert "comparisons.csv is corrupt: its columns are not" in (sweep / "report" / "report.md").read_text()


def test_a_judge_that_fails_costs_no_cell(
    run: Callable[..., int], tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = own_pictures(tmp_path / "own")
    with chat(lambda _text, _levels: 401) as server:
        arguments = [
            f"checkpoint='{tiny_bundle}'", "benchmark=folder", f"benchmark.path='{path}'", "logger=none",
            f"benchmark.judge.endpoint={server.url}", "benchmark.judge.model=seer", "sampler.steps=1",
            f"benchmark.judge.candidates='{path / 'gallery'}'", "hydra.run.dir=mine",
        ]  # fmt: skip
        assert run(*arguments) == 0
        printed = capsys.readouterr().out
        assert (
            "0 comparisons of 2 editors judged, 3 not (mine/pairwise/folder/comparisons.csv says why; "
            in printed
        )
        assert "3 failed and are left out." in Path("mine/report/report.md").read_text()
        server.reply = brighter
        assert run(*arguments) == 0
        assert "3 comparisons of 2 editors judged\n" in capsys.readouterr().out
        (path / "gallery" / "metadata.jsonl").write_text(
            (path / "gallery" / "metadata.jsonl").read_text().replace('"a"', '"c"')
        )
        assert run(*arguments) == 0
        assert "no sample of folder is in benchmark.judge.candidates=" in capsys.readouterr().out


SIDES = st.sampled_from(["first", "second", "tie"])
ROWS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["ab", "ac", "bc"]), SIDES, SIDES), min_size=1)


@settings(max_examples=25)
@given(rows=ROWS)
def test_swapping_who_is_named_first_changes_nothing(rows: list[tuple[int, str, str, str]]) -> None:
    other = {"first": "second", "second": "first", "tie": "tie"}

    def stored(index: int, a: str, b: str, shown: str, swapped: str) -> dict[str, str]:
        return dict(
            zip(
                COLUMNS,
                [f"k{index}", f"s{index}", "", a, b, "quality", "ok", "", shown, swapped],
                strict=True,
            )
        )

    one = tournament("x", [stored(i, *pair, shown, swapped) for i, pair, shown, swapped in rows])
    two = tournament(
        "x", [stored(i, *pair[::-1], other[swapped], other[shown]) for i, pair, shown, swapped in rows]
    )
    for name in one.names:
        a, b = one.names.index(name), two.names.index(name)
        assert one.tally[a] == two.tally[b]
        np.testing.assert_allclose(
            one.ratings["overall"].estimate[a], two.ratings["overall"].estimate[b], atol=1e-6
        )
    assert one.consistency == two.consistency and sum(won - lost for won, _, lost in one.tally) == 0
    assert all(outcome(shown, swapped) in (shown, "tie") for _, _, shown, swapped in rows)
