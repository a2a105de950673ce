"""``docs/`` builds without a warning into pages that ask nothing of other servers, search without one, and can be read by all."""

import ast
import html
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Literal

import pytest
from browser import chromium, serious_findings
from playwright.sync_api import Browser

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages."""
    place = tmp_path_factory.mktemp("site")
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", place],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=600,  # guards against a hang alone
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    return place


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def pages(site: Path) -> list[str]:
    """The pages' addresses within the site."""
    return sorted(str(path.relative_to(site)) for path in site.rglob("*.html"))


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[str]:
    """The site's address."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(site))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_every_page_is_in_the_navigation(site: Path) -> None:
    sources = {str(path.relative_to(DOCS).with_suffix(".html")) for path in DOCS.rglob("*.md")}
    assert {*pages(site)} == sources | {"404.html"}
    named = re.findall(r'<a href="([\w./-]+)" class="md-nav__link', (site / "index.html").read_text())
    assert {*named} == sources


# Each palette and each width once: what is faint does not depend on the width, what is hidden does not on the palette.
@pytest.mark.parametrize(("width", "palette"), [(1280, "light"), (390, "dark")])
def test_pages_can_be_read_by_all_and_ask_nothing_of_others(
    site: Path, server: str, browser: Browser, width: int, palette: Literal["light", "dark"]
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=palette)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    found: dict[str, list[str]] = {}
    for name in pages(site):
        page.goto(server + name)
        scheme = page.locator("body").get_attribute("data-md-color-scheme")
        assert scheme == {"light": "default", "dark": "slate"}[palette]
        wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        found[name] = serious_findings(page) + [f"{wider} pixels too wide"] * (wider > 0)
    page.close()
    assert not {name: findings for name, findings in found.items() if findings}
    assert len(asked) > len(found)
    assert not [url for url in asked if not url.startswith((server, "data:", "blob:"))]


def test_palette_is_switched_by_hand(server: str, browser: Browser) -> None:
    page = browser.new_page(color_scheme="light")
    page.goto(server + "index.html")
    page.get_by_title("Dark", exact=True).click()
    assert page.locator("body").get_attribute("data-md-color-scheme") == "slate"
    page.close()


def test_search_works_from_disk(site: Path, browser: Browser) -> None:
    """Without a server, on a machine that reaches none."""
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / "index.html").as_uri())
    field = page.get_by_role("textbox", name="Search")
    field.click()
    ready = page.locator(".md-search-result__meta", has_text="Type to start searching")
    ready.wait_for(state="attached", timeout=60_000)  # what is typed before is not heard
    field.press_sequentially("hold threshold")  # with the keys that it listens to
    page.locator(".md-search-result__link").first.wait_for(timeout=60_000)
    assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
    page.close()


def test_findings_are_all_told(site: Path) -> None:
    page = (site / "findings.html").read_text()
    scripts = sorted((ROOT / "findings").glob("*.sh"))
    assert scripts
    for script in scripts:
        first = script.read_text().splitlines()[1].removeprefix("# ")
        assert script.name in page and html.escape(first) in page


def said_in_source() -> list[str]:
    """Every text of the package, … where a value is put in."""

    def text(node: ast.AST) -> str:
        return str(node.value) if isinstance(node, ast.Constant) else "…"

    found = []
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(map(text, node.values)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


def test_errors_are_quoted_as_they_are_said() -> None:
    """What troubleshooting.md quotes, … standing for values, is still said by some line of the source."""
    page = (DOCS / "troubleshooting.md").read_text()
    quoted = re.findall(r"^\| `([^`]+)` \|", page, re.M)
    rows = [line for line in page.splitlines() if line.startswith("| ") and "what to do" not in line]
    assert len(quoted) == len(rows) > 80
    texts = said_in_source()
    stale = [
        quote
        for quote in quoted
        if not any(re.search(".*".join(map(re.escape, quote.split("…"))), text, re.S) for text in texts)
    ]
    assert not stale
