"""The report's page in a real browser: filter, order, keyboard, maps, light and dark, paper, and no request to anywhere."""

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from browser import chromium, serious_findings
from PIL import Image
from playwright.sync_api import Browser, Page
from rich.console import Console
from stored_sweep import write_sweep

from editmgt.evaluation.kept_maps import keep_map
from editmgt.files import write_json
from editmgt.report import build, gallery
from editmgt.results.run_directory import MAPS

HOLD = "model.region_hold"
NASTY = "</script><script>window.bad = 1</script>\"'<img src=x onerror='window.bad = 1'> שלום 🎩"
SAMPLES = 30


def score(levels: dict[str, Any], seed: int, i: int) -> dict[str, float]:
    """The cells disagree on samples 3 and 8 in success, on sample 4 most in what is inside."""
    success = float(levels[HOLD] or i not in (3, 8))
    inside = 0.1 + (0.5 if i == 4 and levels[HOLD] else 0.001 * i * levels[HOLD])
    return {"edit/success": success, "inside/l1": inside, "whole/l1": inside + 0.1 * (i == 8) * levels[HOLD]}


def write_pictures(sweep: Path, samples: int) -> None:
    """Pictures of both cells, of source and target, and maps; equal ones are one file, which is quicker to write."""
    cells = sorted(path.parent for path in sweep.glob("*/config.yaml"))
    controls = [sweep / "reference" / "controls" / name for name in ("copy_source", "codec_target")]
    for number, directory in enumerate((*controls, *cells)):
        (directory / "images").mkdir(parents=True)
        for i in range(samples):
            path = directory / "images" / f"s{i}.png"
            if i < 8:
                noise = np.random.default_rng([number, i]).integers(0, 256, (64, 64, 3), np.uint8)
                Image.fromarray(noise).save(path)
            else:
                os.link(directory / "images" / f"s{i % 8}.png", path)
    for cell in cells:
        for i in range(samples):
            keep_map(cell, f"s{i}", torch.eye(8), torch.arange(256).reshape(16, 16) < 128)
    for control in controls:
        (control / "metrics.json").write_text('{"n": 0}')
        (control / "samples.csv").write_text(
            "sample_id,source_id,edit_type,slice,instruction,seed,status,error\n"
        )
    write_json(controls[0].parent / "status.json", {"state": "done"})


def say_nasty(sweep: Path) -> None:
    """Give sample 3 an instruction, and a type, that would run if they were no text."""
    for path in sweep.glob("*/samples.csv"):
        rows = [*csv.reader(io.StringIO(path.read_text()))]
        for row in rows[1:]:
            if row[0] == "s3":
                row[2], row[4] = "<b>&\"'", NASTY
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        path.write_text(text.getvalue())


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("report") / "a <b> sweep"
    write_sweep(directory, {HOLD: [True, False]}, [0], score, samples=SAMPLES)
    say_nasty(directory)
    write_pictures(directory, SAMPLES)
    build(directory, Console(file=io.StringIO(), width=200))
    return directory


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Browser, sweep: Path) -> Iterator[Page]:
    """The page at 1280 pixels; whatever it asks for, or complains of, fails the test."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("console", lambda message: asked.append(message.text))
    opened.on("pageerror", lambda error: asked.append(str(error)))
    opened.goto(address(sweep))
    yield opened
    assert [url for url in asked if not url.startswith("data:")] == [address(sweep)]
    opened.close()


def address(sweep: Path) -> str:
    return (sweep / "report" / "report.html").resolve().as_uri()


def ids(page: Page) -> list[str]:
    return [text.split(" · ")[1] for text in page.locator(".where").all_inner_texts()]


def drawn(page: Page, number: int) -> str:
    """What the number-th edited picture shows, once its sheet is there."""
    page.wait_for_function("[...document.querySelectorAll('.picture')].every(b => b.dataset.map)")
    return str(page.locator(".picture canvas").nth(number).evaluate("canvas => canvas.toDataURL()"))


def test_the_gallery_begins_where_the_cells_disagree_and_filters_by_type(page: Page) -> None:
    assert ids(page)[:2] == ["s8", "s3"] and len(ids(page)) == 12
    page.locator("#order").select_option(label="where the cells disagree most: inside/l1")
    assert ids(page)[:3] == ["s4", "s29", "s28"]
    page.locator("#type").select_option(label="color (14)")
    assert ids(page)[:3] == ["s29", "s27", "s25"]
    assert page.locator("#status").inner_text() == "Samples 1 to 12 of 14"
    page.get_by_role("button", name="Next").click()
    assert len(ids(page)) == 2 and page.get_by_role("button", name="Next").is_disabled()
    page.locator("#order").select_option(label="as in the benchmark")
    assert ids(page)[:3] == ["s1", "s5", "s7"]
    first = page.locator(".sample").first
    assert first.locator("figcaption").all_inner_texts()[:2] == ["source", "target"]
    assert "region_hold true" in first.locator("figcaption").nth(2).inner_text()
    assert first.locator("dd").first.inner_text() == "yes"


def test_a_map_is_shown_under_the_pointer_the_focus_and_a_tap(page: Page) -> None:
    plain = drawn(page, 1)
    page.locator(".picture").nth(1).hover()
    over = drawn(page, 1)
    assert over != plain
    page.mouse.move(0, 0)
    assert drawn(page, 1) == plain
    page.locator("#maps").focus()
    page.keyboard.press("Tab")  # into the first sample
    page.keyboard.press("ArrowRight")
    assert drawn(page, 1) == over
    page.keyboard.press("ArrowDown")  # the same cell of the second
    assert drawn(page, 1) == plain and drawn(page, 3) != plain
    label = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert label.startswith("region_hold false: edit/success no") and label.endswith("tokens held 50%")
    page.keyboard.press("Enter")
    page.keyboard.press("Home")
    assert page.locator(".picture").nth(3).get_attribute("data-map") == "shown"
    page.keyboard.press("End")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")  # out of this sample, into the third
    assert page.evaluate("document.activeElement === document.querySelectorAll('.picture')[4]")
    assert page.locator(".picture").nth(3).get_attribute("data-map") == "hidden"
    page.locator("#maps").check()
    assert page.locator(".picture[data-map=shown]").count() == 24


def test_text_of_a_sample_is_text(page: Page) -> None:
    assert page.locator("h3", has_text="שלום").inner_text() == NASTY
    assert page.locator(".where").nth(1).inner_text() == "<b>&\"' · s3"
    assert "<b>&\"'" in page.locator("#types").inner_text() and page.title() == "a <b> sweep"
    assert page.evaluate("window.bad") is None and page.locator("b").count() == 0


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_by_everyone(page: Page, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    assert serious_findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    dark = "getComputedStyle(document.body).backgroundColor === 'rgb(22, 23, 26)'"
    assert page.evaluate(dark) == (scheme == "dark")
    page.locator("#theme").click()
    assert page.evaluate(dark) == (scheme == "light")


def test_the_forest_is_drawn_from_the_effects(page: Page) -> None:
    row = page.locator(".forest").first.locator("tbody tr").first
    assert "region_hold true → false" in row.inner_text() and "suggestive" not in row.inner_text()
    ends = [float(row.locator(".interval").get_attribute(name)[:-1]) for name in ("x1", "x2")]  # type: ignore[index]
    assert 6 <= ends[0] < float(row.locator("circle").get_attribute("cx")[:-1]) < ends[1] <= 94  # type: ignore[index]
    assert (
        page.locator(".panel").count() == 3 and page.locator(".panel .number").first.inner_text() == "1.000"
    )


def test_it_prints(page: Page) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.locator("nav").is_visible() and page.locator(".sample").first.is_visible()
    assert page.pdf().startswith(b"%PDF")


def test_without_javascript_all_but_the_gallery_is_there(browser: Browser, sweep: Path) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(address(sweep))
    for part in ("#answer", ".forest >> nth=0", ".panel >> nth=0", "text=Means of every cell", "noscript"):
        assert page.locator(part).first.is_visible()
    assert not page.locator("#gallery").is_visible() and not page.locator("#theme").is_visible()


def test_older_runs_have_a_gallery_without_maps_or_a_page_of_pictures(
    browser: Browser, sweep: Path, tmp_path: Path
) -> None:
    old = write_sweep(tmp_path / "old", {HOLD: [True, False]}, [0], score, samples=SAMPLES)
    cells = [path.parent for path in old.glob("*/config.yaml")]
    for cell in cells:
        Image.new("RGB", (1500, 800)).save(cell / "samples.png")
    build(old, Console(file=io.StringIO()))
    page = browser.new_page()
    page.goto(address(old))
    assert "kept no picture of every sample" in page.locator("#pictures").inner_text()
    assert page.locator("#pictures img").count() == 2
    write_pictures(old, SAMPLES)
    for cell in cells:
        (cell / MAPS).unlink()
    build(old, Console(file=io.StringIO()))
    page.reload()
    assert "These runs kept no maps" in page.locator("#pictures").inner_text()
    page.locator(".picture").first.hover()
    assert page.locator(".picture[data-map=shown]").count() == 0


def test_a_large_sweep_makes_a_bounded_page(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = write_sweep(tmp_path / "large", {HOLD: [True, False]}, [0], score, samples=500)
    write_pictures(large, 500)
    build(large, Console(file=io.StringIO()))
    file = large / "report" / "report.html"
    assert 10_000_000 < file.stat().st_size < 15_000_000  # of noise, which no picture format makes small
    page = browser.new_page()
    page.goto(address(large))
    said = "of 500 samples: of every edit type those on which the cells disagree most"
    assert said in page.inner_text("main")
    assert page.locator(".sample").count() == 12 and ids(page)[:2] == ["s8", "s3"]
    monkeypatch.setattr(gallery, "PICTURES", 80)
    build(large, Console(file=io.StringIO()))
    page.reload()
    assert f"The page holds 20 {said}" in page.inner_text("main")
    assert ids(page)[:2] == ["s8", "s3"]
