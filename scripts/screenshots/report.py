"""Screenshots of a run's or a sweep's report: ``python scripts/screenshots/report.py outputs/sweeps/NAME``.

Writes ``docs/pictures/report.png`` (the head of the page), ``report_gallery.png`` (a map shown) and ``report_phone.png``
(390 pixels wide, dark), by the system's Chromium.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

OUT = Path(__file__).parents[2] / "docs" / "pictures"


def main(directory: Path) -> None:
    """Take them all."""
    OUT.mkdir(parents=True, exist_ok=True)
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        wide = browser.new_page(viewport={"width": 1280, "height": 1000})
        wide.goto((directory / "report" / "report.html").resolve().as_uri())
        _save(wide, "report")
        wide.locator("#pictures").scroll_into_view_if_needed()
        wide.evaluate("document.getElementById('pictures').scrollIntoView()")
        wide.locator(".picture").nth(1).hover()
        _save(wide, "report_gallery")
        phone = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
        phone.goto((directory / "report" / "report.html").resolve().as_uri())
        phone.evaluate("document.getElementById('pictures').scrollIntoView()")
        phone.locator(".picture").first.click()
        _save(phone, "report_phone")
        browser.close()


def _save(page: Page, name: str) -> None:
    page.wait_for_timeout(500)  # pictures are decoded as they come
    page.screenshot(path=OUT / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
