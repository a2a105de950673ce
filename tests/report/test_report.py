"""The report from stored rows: its first lines, its files, and what it says where something is missing."""

import csv
import errno
import io
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from rich.console import Console
from stored_sweep import write_cell, write_sweep

from editmgt.errors import UserError
from editmgt.report import __main__ as command
from editmgt.report import build, figures, strip
from editmgt.report.analysis import Analysis, analyse
from editmgt.report.csv_tables import effects_csv, summary_csv
from editmgt.report.document import Paragraph, Table, document
from editmgt.report.gallery import gallery
from editmgt.report.latex import escape, latex
from editmgt.report.markdown import markdown
from editmgt.report.strip import disagreement
from editmgt.report.terminal import show
from editmgt.report.web_page import page
from editmgt.report.words import answer

HOLD, INJECTION = "model.region_hold", "model.attention_injection"
FACTORS = {INJECTION: [True, False], HOLD: [True, False]}
LATEX_SPECIALS = re.compile(r"(?<!\\)[&%$#_]")


def score(levels: dict[str, Any], seed: int, i: int) -> dict[str, float]:
    """Injection helps success much; hold only keeps the outside."""
    rng = np.random.default_rng([seed, i, levels[INJECTION], levels[HOLD]])
    success = float(rng.random() < (0.9 if levels[INJECTION] else 0.1))
    return {
        "edit/success": success,
        "outside/l1": 0.01 * (1 + 2 * (not levels[HOLD])) * (1 + rng.random()),
        "whole/l1": 0.1 - 0.05 * success + 0.01 * rng.random(),
        "speed/edit_seconds": 0.2,
    }


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return write_sweep(tmp_path / "sweep", FACTORS, [0, 1, 2], score, samples=24)


def quiet() -> Console:
    return Console(file=StringIO(), width=200)


def texts(analysis: Analysis) -> str:
    return "\n".join([*answer(analysis), *analysis.notes])


def test_a_reader_learns_in_five_lines_what_changed_and_whether_it_is_real(sweep: Path) -> None:
    for cell in sweep.glob("*true*/"):
        if (cell / "status.json").is_file() and "seed-0" in cell.name:
            (cell / "images").mkdir()
            for i in range(24):
                Image.fromarray(np.full((8, 8, 3), i, np.uint8)).save(cell / "images" / f"s{i}.png")
    out = quiet()
    lines = build(sweep, out)
    assert [line.state for line in lines] == ["done"] * 12
    printed = out.file.getvalue()  # type: ignore[attr-defined]
    report = sweep / "report"
    first = (report / "report.md").read_text().splitlines()[:5]
    assert first[0] == "# sweep"
    assert re.search(
        r"is real:\*\* attention_injection true → false −0\.\d+ \[−\d\.\d+, −0\.\d+\] worse", first[2]
    )
    assert "Not shown:** region_hold true → false" in first[3]
    assert (
        "Real on other metrics** (each corrected on its own): region_hold true → false: outside/l1 worse"
        in first[3]
    )
    assert "24 paired samples, 3 training seeds" in first[4] and "all 12 cells finished" in first[4]
    assert "is real: attention_injection true → false" in printed
    files = {path.name for path in report.iterdir()}
    assert files == {*figures.FILES, "summary.csv", "effects.csv", "report.md", "report.html", "report.tex"}
    for name in figures.FILES:
        with Image.open(report / name) as image:
            assert min(image.size) > 100
    html = (report / "report.html").read_text()
    assert html.count("data:image/png;base64,") == 2  # interaction and trade-off: the page draws the others
    assert not re.search(r"""(src|href)=["'](?!data:|#)|https?://|@import""", html)
    before = {path.name: path.read_bytes() for path in report.iterdir()}
    assert command.main([str(sweep)]) == 0
    assert {path.name: path.read_bytes() for path in report.iterdir()} == before
    for cell in sweep.glob("*/images"):
        for path in cell.iterdir():
            path.unlink()
    build(sweep, quiet())
    assert not (report / "strip.png").exists()
    assert "No strip.png: no sample has a picture in two cells" in (report / "report.md").read_text()


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_narrow_terminal_cuts_no_number(sweep: Path, width: int) -> None:
    """Columns that do not fit are counted; those that do are whole."""
    wide, narrow = quiet(), Console(file=StringIO(), width=width)
    build(sweep, wide)
    show(analyse(sweep), narrow)
    lines = narrow.file.getvalue().splitlines()  # type: ignore[attr-defined]
    tables = [line for line in lines if line.startswith(("│", "┃", "┡", "┏"))]
    assert tables and all(len(line) <= width and "…" not in line for line in tables)
    assert sum("more columns in the report: " in line for line in lines) >= 1
    everything = wide.file.getvalue()  # type: ignore[attr-defined]
    assert all(number in everything for line in tables for number in re.findall(r"\d+\.\d+", line))


def test_the_files_for_programs_hold_what_was_computed(sweep: Path) -> None:
    analysis = analyse(sweep)
    summary = pd.read_csv(StringIO(summary_csv(analysis)))
    assert len(summary) == 12 and summary["seed"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert summary[HOLD].tolist()[:2] == [True, False]
    effects = pd.read_csv(StringIO(effects_csv(analysis)))
    assert effects["metric"][0] == "edit/success" and set(effects["metric"]) == {
        "edit/success",
        "outside/l1",
        "whole/l1",
    }
    [row] = effects[
        (effects["effect"] == f"{HOLD}: true → false") & (effects["metric"] == "outside/l1")
    ].to_dict("records")
    cells = summary.groupby(HOLD)["outside/l1"].mean()
    assert row["estimate"] == pytest.approx(cells[False] - cells[True])
    assert row["low"] < row["estimate"] < row["high"] and row["p"] <= row["p_corrected"]
    assert (row["n"], row["images"], row["seeds"], row["direction"]) == (24, 24, 3, "lower")
    assert row["win_rate"] < 0.2 and row["verdict"] == "real"
    assert set(effects["kind"]) == {"main", "interaction", "comparison"}


def test_one_seed_says_what_cannot_be_concluded(tmp_path: Path) -> None:
    write_sweep(tmp_path, FACTORS, [0], score, samples=24)
    first, _, basis = answer(analyse(tmp_path))
    assert "is real (for these trained weights)" in first
    assert "whether another training would show the same cannot be concluded" in basis
    assert "conditional on the trained weights" in "".join(
        block.text for block in document(analyse(tmp_path), [], []) if isinstance(block, Paragraph)
    )


def test_what_is_missing_is_said(sweep: Path) -> None:
    name = "attention_injection-false__region_hold-true__seed-"
    for seed in range(3):
        (sweep / f"{name}{seed}" / "status.json").write_text('{"state": "failed", "error": "out of memory"}')
    analysis = analyse(sweep)
    said = texts(analysis)
    assert f"{name}1 failed: out of memory" in said and "3 of 12 cells missing" in said
    assert "Cannot be told:** attention_injection true → false (cells are missing)" in said
    assert "is real:** attention_injection true → false, region_hold true → false −0." in said
    rows = list(csv.DictReader(StringIO(effects_csv(analysis))))
    assert (
        rows[0]["estimate"] == ""
        and "attention_injection false, region_hold true" in rows[0]["missing_cells"]
    )


def test_a_cell_that_never_began_is_missing_at_its_place(tmp_path: Path) -> None:
    study = {
        "factors": FACTORS,
        "seeds": [0, 1],
        "primary": "edit/success",
        "baseline": {},
        "correction": "holm",
    }
    write_sweep(tmp_path, FACTORS, [0], score, samples=4, study=study)
    notes = analyse(tmp_path).notes
    assert sum("seed 1: planned, and no cell is there" in note for note in notes) == 4


@pytest.mark.parametrize(
    ("file", "damage", "said"),
    [
        ("metrics.json", lambda text: text[: len(text) // 2], "metrics.json is corrupt"),
        ("metrics.json", lambda text: "[]", "metrics.json is corrupt: it holds no object"),
        ("metrics.json", lambda text: text.replace("24", "NaN", 1), "metrics.json is corrupt: n is nan"),
        ("metrics.json", lambda text: text.replace("24", "7", 1), "one is not of this run"),
        ("metrics.json", None, "metrics.json is missing"),
        ("samples.csv", lambda text: text[: len(text) // 2].rstrip("\n") + ",", "samples.csv is corrupt: line"),
        ("samples.csv", lambda text: text.replace(",0.2\n", ",fast\n", 1), "samples.csv is corrupt: line 2: could not"),
        ("samples.csv", lambda text: text + text.splitlines()[1] + "\n", "samples.csv is corrupt: sample s0 is there twice"),
        ("samples.csv", lambda text: "", "samples.csv is corrupt: its columns are not"),
        ("samples.csv", None, "samples.csv is missing"),
        ("status.json", lambda text: "{", "status.json is corrupt"),
        ("config.yaml", lambda text: "a: [", "config.yaml is corrupt"),
    ],
)  # fmt: skip
def test_a_broken_file_fails_its_cell_with_one_line(
    tmp_path: Path, file: str, damage: Callable[[str], str] | None, said: str
) -> None:
    write_sweep(tmp_path, FACTORS, [0], score, samples=24)
    cell = tmp_path / "attention_injection-false__region_hold-true__seed-0"
    path = cell / file
    if damage is None:
        path.unlink()
    else:
        path.write_text(damage(path.read_text()))
    kept = {p.name: p.read_bytes() for p in cell.iterdir()}
    analysis = analyse(tmp_path)
    assert [line.state for line in analysis.lines].count("failed") == 1
    [note] = [note for note in analysis.notes if str(cell) in note]
    assert said in note and "\n" not in note
    found = {e.contrast.name: e.summary.n for e in analysis.of_family("edit/success", "comparisons")}
    assert found[f"cell: {HOLD}: true → false"] == 24
    assert {p.name: p.read_bytes() for p in cell.iterdir()} == kept  # nothing lost


def test_the_strip_is_of_cells_that_disagree_and_not_of_seeds(tmp_path: Path) -> None:
    """Sample 1 is solved by one training and not by the other, whatever the cell; sample 2 by one cell alone."""

    def score(levels: dict[str, Any], seed: int, i: int) -> dict[str, float]:
        return {"edit/success": {1: float(seed == 0), 2: float(levels[HOLD])}.get(i, 1.0)}

    write_sweep(tmp_path, {HOLD: [True, False]}, [0, 1], score)
    analysis = analyse(tmp_path)
    assert analysis.scores is not None
    assert [analysis.scores.samples[i][0] for i in disagreement(analysis)] == ["s2"]


def noise_seeds_score(levels: dict[str, Any], seed: int, i: int) -> dict[str, float]:
    """The cells disagree on sample 2 under noise seed 0; on samples 2 and 3, and more, under noise seed 1."""
    if not levels[HOLD] and i in ((2,), (2, 3))[seed]:
        return {"edit/success": 0.0, "whole/l1": 0.5 + 0.1 * seed}
    return {"edit/success": 1.0, "whole/l1": 0.1}


def write_noise_seeds(directory: Path) -> Path:
    """A sweep over two noise seeds of one editor; a picture's colour says its cell, its seed and its sample."""
    write_sweep(directory, {HOLD: [True, False]}, [0, 1], noise_seeds_score, samples=4)
    for hold, seed in itertools.product((True, False), (0, 1)):
        cell = directory / f"region_hold-{str(hold).lower()}__seed-{seed}"
        config = yaml.safe_load((cell / "config.yaml").read_text()) | {"task": "evaluate"}
        (cell / "config.yaml").write_text(yaml.safe_dump(config))
        rows = (cell / "samples.csv").read_text()
        (cell / "samples.csv").write_text(rows.replace(",0,ok,", f",{seed},ok,"))
        (cell / "images").mkdir()
        for i in range(4):
            colour = (200 if hold else 50, 200 if seed else 50, 40 * i)
            Image.new("RGB", (8, 8), colour).save(cell / "images" / f"s{i}.png")
    return directory


def colours(strip_png: bytes) -> list[list[tuple[int, int, int]]]:
    """The colours in the middle of a strip's pictures, a list for each of its rows of pictures."""
    with Image.open(io.BytesIO(strip_png)) as image:
        pixels = np.asarray(image.convert("RGB"))
    width, height = (strip.SIDE + 8, strip.SIDE + 42)
    head = pixels.shape[0] % height
    return [
        [tuple(map(int, pixels[top + height // 2, left + width // 2])) for left in range(0, pixels.shape[1] - 8, width)]
        for top in range(head, pixels.shape[0], height)
    ]  # fmt: skip


@pytest.mark.parametrize("folder", ["images", "images/fullset/add"])
def test_the_strip_is_of_one_noise_seed(tmp_path: Path, folder: str) -> None:
    """Wherever a benchmark's official scorer wants the pictures."""
    for images in write_noise_seeds(tmp_path).glob("*/images"):
        moved = images.rename(images.with_name("moved"))
        (images.parent / folder).parent.mkdir(parents=True, exist_ok=True)
        moved.rename(images.parent / folder)
    analysis = analyse(tmp_path)
    picture, said = strip.strip(analysis)
    assert picture is not None and said.startswith("The 1 samples ")
    assert colours(picture) == [[(200, 50, 80), (50, 50, 80)]]


def test_pictures_are_of_the_noise_seed_that_most_cells_have(tmp_path: Path) -> None:
    """A cell that failed under the first seed is not shown beside another seed's picture, in strip and gallery."""
    failed = write_noise_seeds(tmp_path) / "region_hold-false__seed-0"
    (failed / "status.json").write_text('{"state": "failed", "error": "out of memory"}')
    analysis = analyse(tmp_path)
    picture, _ = strip.strip(analysis)
    assert picture is not None
    assert colours(picture) == [[(200, 200, 80), (50, 200, 80)], [(200, 200, 120), (50, 200, 120)]]
    shown = gallery(analysis)
    assert shown is not None and shown["of"] == 4
    scores = {sample["id"]: [of_cell[0] for of_cell in sample["scores"]] for sample in shown["samples"]}
    assert scores == {"s0": [1, 1], "s1": [1, 1], "s2": [1, 0], "s3": [1, 0]}


def test_text_stays_text_in_every_format(tmp_path: Path) -> None:
    nasty = '<b>|&_$#%{}~^\\"'
    write_sweep(
        tmp_path,
        {"checkpoint": ["plain", nasty]},
        [0],
        lambda c, _, i: {"edit/success": float((i + len(c["checkpoint"])) % 2)},
    )
    analysis = analyse(tmp_path)
    blocks = document(analysis, [], [])
    widths = {len(block.header) for block in blocks if isinstance(block, Table)}
    assert "<b>" not in page("<b>", analysis, blocks, {}, None)
    assert "<b>" not in markdown("t", blocks)
    for line in markdown("t", blocks).splitlines():
        if line.startswith("| checkpoint"):
            assert len(re.findall(r"(?<!\\)\|", line)) - 1 in widths
    text = latex("t", blocks)
    assert text.isascii() and text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == text.count(
        r"\toprule"
    )
    assert escape("a_b % 5 & −1 → \\") == r"a\_b \% 5 \& $-$1 $\to$ \textbackslash{}"
    for line in text.splitlines():
        columns = len(re.findall(r"(?<!\\)&", line)) + 1
        assert columns in (1, *widths) and not LATEX_SPECIALS.search(
            line.replace("&", "").replace("$", "").lstrip("%")
        )


def test_every_table_is_as_wide_as_its_head(sweep: Path) -> None:
    tables = [block for block in document(analyse(sweep), [], []) if isinstance(block, Table)]
    assert len(tables) >= 5
    for table in tables:
        assert {len(row) for row in table.rows} == {len(table.header)}


def test_references_and_controls_stand_under_the_cells(sweep: Path) -> None:
    from editmgt.files import read_json, write_json

    cell = sweep / "attention_injection-true__region_hold-true__seed-0"
    done, metrics = read_json(cell / "status.json"), read_json(cell / "metrics.json")
    for where in ("tiny_editor", "controls/copy_source", "controls/oracle_mask"):
        folder = sweep / "reference" / where
        folder.mkdir(parents=True)
        (folder / "samples.csv").write_bytes((cell / "samples.csv").read_bytes())
        write_json(folder / "metrics.json", metrics)
    write_json(sweep / "reference" / "tiny_editor" / "status.json", done)
    write_json(sweep / "reference" / "controls" / "status.json", done)
    analysis = analyse(sweep)
    names = ["tiny_editor (shipped)", "control: copy source", "control: oracle mask"]
    assert [line.name for line in analysis.lines[12:]] == names
    drawing = figures.tradeoff(analysis)
    everything, closer = drawing.axes  # controls squeeze the cells
    assert everything.get_ylim()[1] >= closer.get_ylim()[1]
    [legend] = drawing.legends
    shown = [text.get_text() for text in legend.get_texts()]
    assert set(names) <= set(shown) and "Pareto front" in shown and len(shown) == 4 + 3 + 1
    (sweep / "reference" / "second").mkdir()
    (sweep / "reference" / "controls").rename(sweep / "reference" / "second" / "controls")
    assert analyse(sweep).lines[-1].name == "control: oracle mask, second"


def test_one_run_has_a_table_and_nothing_to_compare(tmp_path: Path) -> None:
    write_cell(tmp_path / "run", {INJECTION: True, HOLD: True}, 0, score, samples=4)
    analysis = analyse(tmp_path / "run")
    assert "Nothing to compare:** one cell" in texts(analysis)
    assert len(analysis.lines) == 1 and not analysis.notes
    # several seeds of one setting: the mean and its interval
    write_sweep(
        tmp_path / "seeds", {HOLD: [True]}, [0, 1, 2], lambda c, s, i: score({INJECTION: True, **c}, s, i)
    )
    analysis = analyse(tmp_path / "seeds")
    assert "no setting differs between the cells" in texts(analysis)
    mean = analysis.mean((), "edit/success")
    assert len(mean.seeds) == 3 and mean.low < mean.estimate < mean.high


def test_the_interval_of_a_mean_stays_in_its_metric_s_range(tmp_path: Path) -> None:
    """Of a share near 1 half of a symmetric interval would lie over 1."""
    write_sweep(tmp_path, {HOLD: [True, False]}, [0, 1], lambda _, s, i: {"edit/success": float(i + s > 0)})
    mean = analyse(tmp_path).mean((0,), "edit/success")
    assert mean.low < mean.estimate < mean.high == 1


def test_the_primary_metric_may_not_be_there(tmp_path: Path) -> None:
    write_sweep(
        tmp_path, {HOLD: [True, False]}, [0], lambda c, _, i: {"whole/l1": i + 0.5 * c[HOLD]}, samples=5
    )
    analysis = analyse(tmp_path)
    assert analysis.primary == "whole/l1" and "edit/success was not scored" in texts(analysis)


@pytest.mark.parametrize(
    ("primary", "said"),
    [
        (
            "speed/edit_seconds",
            "the primary metric speed/edit_seconds has no effects (a time is of a whole batch",
        ),
        ("set/fid", "the primary metric set/fid has no effects (it is one number for all edits"),
        ("clip/i", "the primary metric clip/i was not scored"),
    ],
)
def test_a_primary_metric_without_effects_is_told_and_another_stands_in(
    tmp_path: Path, primary: str, said: str
) -> None:
    """Of a sweep that was stored when such a study was not refused."""
    study = {"factors": FACTORS, "seeds": [0], "primary": primary, "baseline": {}, "correction": "holm"}
    write_sweep(tmp_path, FACTORS, [0], score, samples=24, study=study)
    analysis = analyse(tmp_path)
    told = texts(analysis)
    assert analysis.primary == "edit/success" and said in told
    assert "edit/success stands in its place" in told and "Nothing to compare" not in told


@pytest.mark.parametrize("primary", ["edit/success", "set/fid", "speed/edit_seconds"])
@pytest.mark.parametrize("scored", [{}, {"speed/edit_seconds": 0.2}])
def test_nothing_to_compare_says_that_no_metric_was_scored(
    tmp_path: Path, primary: str, scored: dict[str, float]
) -> None:
    study = {"factors": FACTORS, "seeds": [0], "primary": primary, "baseline": {}, "correction": "holm"}
    write_sweep(tmp_path, FACTORS, [0], lambda *_: scored, samples=4, study=study)
    build(tmp_path, quiet())
    said = texts(analyse(tmp_path))
    assert "Nothing to compare:** no cell has a metric with a value for each sample" in said
    assert "missing" not in said and "all 4 cells finished" in said


def test_figures_are_drawn_of_whatever_types_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    """Dollars are no formula, letters that the font lacks no warning, and no picture is too wide to be one."""
    monkeypatch.setattr(figures, "_LARGEST", 7)
    write_sweep(tmp_path, {HOLD: [True, False]}, [0], lambda *_: {"edit/success": 1.0}, samples=8)
    for path in tmp_path.glob("*/samples.csv"):
        frame = pd.read_csv(path)
        frame["edit_type"] = [f"cost ${i} to $\\frac$ 编辑" for i in frame.index]
        frame.to_csv(path, index=False)
    found, _, _ = figures.draw_all(analyse(tmp_path))
    with Image.open(io.BytesIO(found["types.png"])) as image:
        assert image.width == 7 * 130 and not recwarn.list


@pytest.mark.parametrize("draw", [figures.types, figures.tradeoff])
def test_a_legend_of_many_cells_is_whole_and_covers_nothing(
    tmp_path: Path, draw: Callable[[Analysis], Any]
) -> None:
    names = [f"an_editor_of_some_length_{i}" for i in range(30)]
    scores = {"edit/success": 1.0, "outside/l1": 0.1}
    write_sweep(tmp_path, {"checkpoint": names}, [0], lambda *_: scores, samples=2)
    drawing = draw(analyse(tmp_path))
    FigureCanvasAgg(drawing).draw()
    [legend], [axes] = drawing.legends, drawing.axes
    box, above = legend.get_window_extent(), axes.get_window_extent()
    assert box.y0 >= 0 and box.y1 < above.y0 and above.height > 200
    assert box.x0 >= 0 and box.x1 <= drawing.bbox.x1


def test_the_front_is_what_no_other_beats_on_both() -> None:
    points = [(0.3, 0.9), (0.1, 0.5), (0.2, 0.4), (0.2, 0.7), (0.1, 0.2), (0.4, 0.9)]
    assert figures.pareto_front(points) == [1, 3, 0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"primary": "edit/sucess"}, "primary=edit/sucess is no metric. Did you mean 'edit/success'"),
        (
            {"factors": {"model.region_hol": [True, False]}},
            "model.region_hol, which no cell has. Did you mean",
        ),
        (
            {"baseline": {HOLD: "maybe"}},
            f"baseline {HOLD}=maybe is none of the factor's values (true, false)",
        ),
        ({"baseline": {"model.hold": True}}, "baseline names model.hold, which is no factor"),
        ({"correction": "bonferroni"}, "correction=bonferroni must be one of holm"),
        (
            {"acts_through": {HOLD: {HOLD: True}}},
            f"study.yaml: acts_through goes round in a circle, {HOLD} → {HOLD}: leave one of them out.",
        ),
        ({"factors": None}, "factors=null must be a group of keys"),
    ],
)
def test_a_study_that_names_what_is_not_there_is_one_line(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    study = {
        "factors": {HOLD: [True, False]},
        "baseline": {HOLD: True},
        "seeds": [0],
        "primary": "edit/success",
        "correction": "holm",
    } | change
    write_sweep(
        tmp_path, {HOLD: [True, False]}, [0], lambda *_: {"edit/success": 1.0}, samples=2, study=study
    )
    if "factors" in change:
        study["baseline"] = {}
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    with pytest.raises(UserError, match=re.escape(said)) as error:
        analyse(tmp_path)
    assert "\n" not in str(error.value)


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(tmp_path)]) == 2
    assert "is no run and no sweep" in capsys.readouterr().err
    assert command.main([]) == 2
    done = subprocess.run(
        [sys.executable, "-m", "editmgt.report", str(tmp_path / "nowhere")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr and "nowhere" in done.stderr


def test_a_report_waits_for_no_models_libraries(tmp_path: Path) -> None:
    """They take longer to import than a report to make."""
    write_sweep(tmp_path, FACTORS, [0], score, samples=4)
    code = (
        "import sys\nfrom pathlib import Path\nfrom editmgt.report import build\n"
        f"build(Path({str(tmp_path)!r}))\n"
        "print(*{'diffusers', 'transformers', 'lightning', 'wandb'} & {*sys.modules}, 'nothing else', sep=', ')"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.splitlines()[-1] == "nothing else"


def _no_space(path: Path, content: str | bytes) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("missing", "missing is no run and no sweep"),
        ("file", "file is no run and no sweep"),
        ("file/below", "file/below is no run and no sweep"),
        ("empty", "empty is no run and no sweep"),
        ("x" * 5000, "cannot be made: File name too long."),
        ("damaged", "damaged is no run and no sweep: it has no readable plan.json."),
        ("taken", "taken/report cannot be made: "),
    ],
)
def test_a_path_that_is_none_or_cannot_be_written_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    where: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("empty").mkdir()
    write_sweep(Path("damaged"), FACTORS, [0], score)
    Path("damaged/plan.json").write_text('{"task": "train", "cells": {"a"')
    write_sweep(Path("taken"), FACTORS, [0], score)
    Path("taken/report").touch()  # a file, in the folder's place
    assert command.main([where]) == 2
    captured = capsys.readouterr()
    assert said in captured.err and captured.err.count("\n") == 1 and captured.out == ""


def test_a_full_disk_is_one_line_and_the_next_report_is_whole(
    sweep: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as full:
        full.setattr("editmgt.report.write_atomic", _no_space)
        assert command.main([str(sweep)]) == 2
    assert capsys.readouterr().err == f"{sweep}/report cannot be made: No space left on device.\n"
    assert command.main([str(sweep)]) == 0 and (sweep / "report" / "report.md").is_file()


@pytest.mark.parametrize("config", ["model: tiny", "benchmark: 3", "benchmark: {}"])
def test_settings_that_are_none_fail_their_cell_alone(sweep: Path, config: str) -> None:
    broken, *_ = sorted(sweep.glob("*/config.yaml"))
    broken.write_text(config)
    states = [line.state for line in build(sweep, quiet())]
    assert states.count("failed") == (config != "benchmark: {}")
