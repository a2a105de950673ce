"""The page in a real browser: an edit is made, seen, compared, repeated by its command line, and mistakes are one line."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from browser import chromium, serious_findings
from demo_process import ENVIRONMENT, HANGS, ROOT, demo
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

from editmgt.editing.edit_options import read_line

expect.set_options(timeout=HANGS * 1000)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page as it opens; it may ask this machine alone."""
    with chromium() as browser, demo(tmp_path_factory.mktemp("demo")) as address:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(HANGS * 1000)
        elsewhere: list[str] = []

        def watch(route: Route) -> None:
            if route.request.url.startswith((address, "data:", "blob:")):
                route.continue_()
            else:
                elsewhere.append(route.request.url)
                route.abort()

        page.route("**/*", watch)
        page.goto(address)
        yield page
        assert not elsewhere


def edit(page: Page) -> None:
    """Press the button, and wait for what it says."""
    page.evaluate("document.querySelector('#status p')?.remove()")
    page.click("#edit")
    expect(page.locator("#status p")).to_be_visible()


def status(page: Page) -> str:
    return page.inner_text("#status p")


def picture(image: Locator) -> np.ndarray:
    """The pixels of a picture in the page."""
    source = image.get_attribute("src")
    assert source is not None
    return np.array(Image.open(BytesIO(image.page.request.get(source).body())).convert("RGB"))


def repeat(page: Page, name: str, folder: Path) -> None:
    """Download the edit and what its command reads, run the command, and compare the pixels."""
    with page.expect_download() as download:
        page.click(f"#{name}-download")
    download.value.save_as(folder / "downloaded.png")
    for link in page.locator("#files a[download]").all():
        with page.expect_download() as read:
            link.click()
        read.value.save_as(folder / read.value.suggested_filename)
    python, script, *arguments = shlex.split(page.input_value(f"#{name}-command textarea"))
    assert (python, script) == ("python", "edit.py")
    subprocess.run([sys.executable, ROOT / script, *arguments], cwd=folder, env=ENVIRONMENT, check=True)
    output = folder / read_line(arguments).output
    assert np.array_equal(np.array(Image.open(output)), np.array(Image.open(folder / "downloaded.png")))


def test_an_edit_is_seen_and_compared(page: Page) -> None:
    page.locator("#scenes button").nth(0).click()  # before the editor is loaded
    page.click("#beside input")
    page.get_by_role("option", name="region hold switched").click()
    edit(page)
    for name in ("edit", "beside"):
        expect(page.locator(f"#{name}-slider img")).to_have_count(2)
        before, after = page.locator(f"#{name}-slider img").all()
        assert np.abs(picture(before).astype(int) - picture(after)).max() > 100
    expect(page.locator("#edit-panel h3")).to_contain_text("With region hold")
    expect(page.locator("#beside-panel h3")).to_have_text("Without region hold")
    command = page.input_value("#beside-command textarea")
    assert "--no-region-hold" in command and "hold" not in page.input_value("#edit-command textarea")

    last = page.locator("#edit-tokens img").get_attribute("src")
    page.locator("#step input[type=range]").fill("1")
    expect(page.locator("#edit-tokens img")).not_to_have_attribute("src", str(last))
    first = picture(page.locator("#edit-tokens img"))
    grey = (first == (128, 128, 136)).all(axis=2)
    assert grey.mean() > 0.5  # most tokens are not known after one step

    page.click("#beside input")
    page.get_by_role("option", name="nothing").click()
    edit(page)
    expect(page.locator("#beside-panel")).to_be_hidden()
    assert serious_findings(page) == []


def test_a_mask_decides_where_it_changes_and_the_command_repeats_it(page: Page, tmp_path: Path) -> None:
    page.locator("#scenes button").nth(5).click()
    page.click("#part > button")
    canvas = page.locator("#drawing canvas").first
    expect(canvas).to_be_visible()
    page.fill("#box input, #box textarea", "0 0 30 30")
    page.click("#beside input")
    page.get_by_role("option", name="region hold switched").click()
    edit(page)
    command = page.input_value("#beside-command textarea")
    assert "--box=0,0,30,30" in command and "--no-region-hold" in command
    repeat(page, "beside", tmp_path)
    assert not list(tmp_path.glob("*_mask.png"))  # a box needs no file

    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 30, box["y"] + box["height"] / 2 + 5, steps=4)
    page.mouse.up()
    page.wait_for_timeout(500)
    page.fill("#box input, #box textarea", "")
    edit(page)
    with page.expect_download() as download:
        page.locator("#files a[download]").nth(1).click()
    drawn = np.array(Image.open(download.value.path()))
    assert drawn.shape == (64, 64) and set(np.unique(drawn)) == {0, 255}
    assert 0 < (drawn == 255).mean() < 0.5 and not drawn[:8, :8].any()


def test_a_photograph_is_told_what_becomes_of_it_before_the_edit(page: Page, tmp_path: Path) -> None:
    Image.effect_noise((900, 600), 60).convert("RGB").save(tmp_path / "my photo.jpg")
    page.set_input_files("#upload input[type=file]", tmp_path / "my photo.jpg")
    notice = page.locator("#notice p")
    expect(notice).to_contain_text(re.compile(r"900x600 pixels and is edited at \d+x\d+.*Composite"))


def test_mistakes_are_one_line_and_the_page_lives_on(page: Page, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    bomb = Image.new("1", (20_000, 20_000))
    bomb.save(tmp_path / "bomb.png")
    for name, said in (("broken.png", "these bytes are no picture"), ("bomb.png", "more than the limit")):
        if page.locator("#upload input[type=file]").count() == 0:
            page.click("#upload button[aria-label*=lear], #upload button[aria-label*=emove]")
        page.set_input_files("#upload input[type=file]", tmp_path / name)
        expect(page.locator("#status p")).to_contain_text(f"'{name}'")
        assert said in status(page) and "\n" not in status(page)
    page.fill("#box input, #box textarea", "1 2")
    edit(page)
    assert "must be four numbers" in status(page)
    page.fill("#box input, #box textarea", "")
    instruction = page.input_value("#instruction textarea, #instruction input")
    page.locator("#scenes button").nth(1).click()
    expect(page.locator("#instruction textarea, #instruction input")).not_to_have_value(instruction)
    page.fill("#instruction textarea, #instruction input", " ")
    edit(page)
    assert status(page) == 'The instruction is empty: say what to change, as in "make the hat red".'
    page.fill("#instruction textarea, #instruction input", "make the circle <b>red</b>")
    edit(page)
    assert status(page).startswith("Wrote scene-recolour_edit.png")


@contextmanager
def tab(page: Page, width: int = 1280, scheme: Literal["light", "dark"] = "light") -> Iterator[Page]:
    """Another page of the same address."""
    browser = page.context.browser
    assert browser is not None
    other = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    other.set_default_timeout(HANGS * 1000)
    other.goto(page.url)
    expect(other.locator("#edit")).to_be_visible()
    yield other
    other.close()


def put_beside(page: Page, name: str) -> None:
    page.click("#beside input")
    page.get_by_role("option", name=name, exact=True).click()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "dark"), (390, "light")])
def test_nothing_serious_is_found_in_the_dark_nor_on_a_phone(
    page: Page, width: int, scheme: Literal["light", "dark"]
) -> None:
    with tab(page, width, scheme) as other:
        assert serious_findings(other) == []
        put_beside(other, "region hold switched")
        for accordion in ("part", "settings"):
            other.click(f"#{accordion} > button")
        edit(other)
        expect(other.locator("#beside-panel h3")).to_have_text("Without region hold")
        assert serious_findings(other) == []
        assert other.evaluate("document.documentElement.scrollWidth") <= width


def test_a_way_to_hold_stands_beside_and_the_tokens_are_played(page: Page) -> None:
    with tab(page) as other:
        put_beside(other, "posterior_first")
        edit(other)
        expect(other.locator("#beside-panel h3")).to_contain_text("of posterior, first pass")
        step = other.locator("#step input[type=range]")
        last = step.input_value()
        # a step is shown for less than a second, which a busy machine may look past from outside the page
        other.evaluate(
            """() => { window.played = [];
                setInterval(() => window.played.push(document.querySelector("#step input[type=range]").value), 20) }"""
        )
        other.click("#play")
        other.wait_for_function(
            "last => window.played.includes('1') && window.played.at(-1) === last", arg=last
        )
        expect(other.locator("#edit-tokens img")).to_have_attribute("src", re.compile(r"step_\d+\.png"))


def test_a_photograph_a_mask_file_and_a_composite(page: Page, tmp_path: Path) -> None:
    photo = Image.effect_noise((1500, 1000), 60).convert("RGB")
    photo.save(tmp_path / "photo.png")
    mask = Image.new("L", photo.size)
    mask.paste(255, (300, 200, 900, 700))
    mask.save(tmp_path / "where.png")
    with tab(page) as other:
        other.set_input_files("#upload input[type=file]", tmp_path / "photo.png")
        expect(other.locator("#notice p")).to_contain_text("1500x1000 pixels")
        for accordion in ("part", "settings"):
            other.click(f"#{accordion} > button")
        other.set_input_files("#mask input[type=file]", tmp_path / "where.png")
        expect(other.locator("#mask")).to_contain_text("where")
        other.get_by_label("Composite").check()
        edit(other)
        assert "largest change outside the edited region: 0" in status(other)
        folder = tmp_path / "again"
        folder.mkdir()
        repeat(other, "edit", folder)
        changed = (np.array(Image.open(folder / "downloaded.png")) != np.array(photo)).any(axis=2)
        assert changed.any() and changed.sum() == changed[200:700, 300:900].sum()


def test_two_tabs_wait_for_one_another_and_each_sees_its_own(page: Page) -> None:
    with tab(page) as one, tab(page) as two:
        for other, scene in ((one, 1), (two, 2)):
            before = other.input_value("#instruction textarea, #instruction input")
            other.locator("#scenes button").nth(scene).click()
            expect(other.locator("#instruction textarea, #instruction input")).not_to_have_value(before)
            put_beside(other, "region hold switched")
        for other in (one, two):  # at once: the second waits
            other.evaluate("document.querySelector('#status p')?.remove()")
            other.click("#edit")
        for other, name in ((one, "scene-recolour"), (two, "scene-remove")):
            expect(other.locator("#status p")).to_contain_text(f"Wrote {name}_edit.png")
            assert name in other.input_value("#beside-command textarea")
