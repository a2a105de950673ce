"""What mkdocs puts into a page from the repository itself, so that no page has a list that falls behind."""

import html
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_FINDINGS = "<!-- the scripts of findings/ -->"
_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):(?=<code>)")


def findings() -> dict[str, str]:
    """Return the text at the head of every script in ``findings/``, by the script's name."""
    found = {}
    for path in sorted((ROOT / "findings").glob("*.sh")):
        lines = path.read_text().splitlines()[1:]  # below the line that names the shell
        head = lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))]
        found[path.name] = "\n".join(line.removeprefix("#").removeprefix(" ") for line in head)
    return found


def on_page_markdown(markdown: str, **_more: Any) -> str:
    """Put the findings where a page asks for them."""
    if _FINDINGS not in markdown:
        return markdown
    parts = [part for name, text in findings().items() for part in (f"## {name}", *_paragraphs(text))]
    return markdown.replace(_FINDINGS, "\n\n".join(parts))


def _paragraphs(text: str) -> list[str]:
    """Plain text as HTML, whose words mean nothing to Markdown."""
    return [f"<p>{html.escape(' '.join(part.split()))}</p>" for part in text.split("\n\n")]


def on_page_content(content: str, **_more: Any) -> str:
    """Leave out the roles of docstrings (``:func:``), which mean nothing here."""
    return _ROLE.sub("", content)


def on_post_page(output: str, **_more: Any) -> str:
    """Name the theme's search box to those who hear the page."""
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"')


on_post_template = on_post_page  # of 404.html
