"""Take the pictures of ``docs/demo.md`` of the page itself: ``python scripts/screenshots/demo.py``, on a machine with Chromium."""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "demo")]

from browser import chromium  # noqa: E402
from demo_process import HANGS, demo  # noqa: E402
from playwright.sync_api import Page  # noqa: E402

WIDTHS = {"demo": 1280, "demo-phone": 390}
PICTURES = ROOT / "docs" / "pictures"


def _shoot(page: Page, path: Path) -> None:
    size = page.viewport_size
    assert size is not None
    page.set_viewport_size({"width": size["width"], "height": 600})  # no taller than what is there
    page.screenshot(path=path, full_page=True)
    page.set_viewport_size({"width": size["width"], "height": size["height"]})


def main() -> None:
    """Edit the first scene with region hold and without, wide and narrow, light and dark."""
    with tempfile.TemporaryDirectory() as folder, demo(Path(folder)) as address, chromium() as browser:
        for name, width in WIDTHS.items():
            # tall: Gradio loads a picture when it comes into view
            page = browser.new_page(viewport={"width": width, "height": 4000})
            page.set_default_timeout(HANGS * 1000)
            page.goto(address)
            page.click("#beside input")
            page.get_by_role("option", name="region hold switched").click()
            page.click("#edit")
            page.wait_for_selector("#status p")
            page.wait_for_selector("#beside-tokens img")
            page.locator("#step input[type=range]").fill("3")
            page.wait_for_timeout(3000)
            _shoot(page, PICTURES / f"{name}.png")
            if width > 1000:
                page.emulate_media(color_scheme="dark")
                page.reload()
                page.wait_for_selector("#settings button")
                page.click("#settings button")
                page.click("#part button")
                page.wait_for_timeout(3000)
                page.locator("gradio-app main, gradio-app").first.screenshot(
                    path=PICTURES / f"{name}-settings-dark.png"
                )


if __name__ == "__main__":
    main()
