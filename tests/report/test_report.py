"""The report from stored rows: its first lines, its files, and what it says where something is missing."""

import csv
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rich.console import Console
from stored_sweep import write_cell, write_sweep
from two_parts import FACTORS, HOLD, INJECTION, quiet, score

from editmgt.report import __main__ as command
from editmgt.report import build, figures
from editmgt.report.analysis import Analysis, analyse
from editmgt.report.csv_tables import effects_csv, summary_csv
from editmgt.report.document import Paragraph, Table, document
from editmgt.report.latex import escape, latex
from editmgt.report.markdown import markdown
from editmgt.report.terminal import show
from editmgt.report.web_page import page
from editmgt.report.words import answer

LATEX_SPECIALS = re.compile(r"(?<!\\)[&%$#_]")


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
    oracle = f"control: oracle mask of {cell.name}"  # two trainings stand above it
    names = ["tiny_editor (shipped)", "control: copy source", oracle]
    assert [line.name for line in analysis.lines[12:]] == names
    drawing = figures.tradeoff(analysis)
    everything, closer = drawing.axes  # controls squeeze the cells
    assert everything.get_ylim()[1] >= closer.get_ylim()[1]
    [legend] = drawing.legends
    shown = [text.get_text() for text in legend.get_texts()]
    assert set(names) <= set(shown) and "Pareto front" in shown and len(shown) == 4 + 3 + 1
    (sweep / "reference" / "second").mkdir()
    (sweep / "reference" / "controls").rename(sweep / "reference" / "second" / "controls")
    assert analyse(sweep).lines[-1].name == f"{oracle}, second"


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
