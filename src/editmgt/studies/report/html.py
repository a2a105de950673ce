"""The report as one page that needs nothing else: pictures inside, no script, no style from elsewhere."""

import base64
import html as escaping
import re
from collections.abc import Mapping, Sequence

from editmgt.studies.report.document import Block, Figure, Heading, Paragraph, Table

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #202024; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
.wide { overflow-x: auto; margin: 1rem 0; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { padding: .25rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child, .text td { text-align: left; white-space: normal; }
thead th { border-bottom: 2px solid #202024; }
figure { margin: 1.5rem 0; } img { max-width: 100%; } figcaption { color: #6e6e76; }
"""


def html(title: str, blocks: Sequence[Block], pictures: Mapping[str, bytes]) -> str:
    """Return the page; ``pictures`` are the PNG files that the figures name."""
    body = "\n".join(_block(block, pictures) for block in blocks)
    name = escaping.escape(title)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{name}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{name}</h1>\n{body}\n</body>\n</html>\n"
    )


def _block(block: Block, pictures: Mapping[str, bytes]) -> str:
    if isinstance(block, Heading):
        return f"<h2>{_text(block.text)}</h2>"
    if isinstance(block, Paragraph):
        return f"<p>{_text(block.text)}</p>"
    if isinstance(block, Figure):
        data = base64.b64encode(pictures[block.file]).decode()
        caption = _text(block.caption)
        return f'<figure><img alt="{caption}" src="data:image/png;base64,{data}"><figcaption>{caption}</figcaption></figure>'
    return _table(block)


def _table(table: Table) -> str:
    head = "".join(f"<th>{_text(text)}</th>" for text in table.header)
    rows = "\n".join(
        "<tr>" + "".join(f"<td>{_text(text)}</td>" for text in row) + "</tr>" for row in table.rows
    )
    kind = ' class="text"' if len(table.header) == 2 else ""
    return (
        f'<div class="wide"><table{kind}><caption>{_text(table.caption)}</caption>'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>"
    )


def _text(text: str) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escaping.escape(text))
