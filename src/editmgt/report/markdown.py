"""The report as Markdown."""

from collections.abc import Sequence

from editmgt.report.analysis import Analysis
from editmgt.report.document import Block, Figure, Heading, Paragraph, Table


def markdown(title: str, blocks: Sequence[Block]) -> str:
    """Return the page; a block's paragraphs keep to a line each."""
    parts = [f"# {title}", ""]
    for i, block in enumerate(blocks):
        parts += _lines(block)
        both_text = (
            isinstance(block, Paragraph) and i + 1 < len(blocks) and isinstance(blocks[i + 1], Paragraph)
        )
        parts += [] if both_text else [""]
    return "\n".join(parts)


def gallery(analysis: Analysis) -> str:
    """Return a section that links each row's own page of pictures, with its path from ``report/``."""
    pages = {line.name: line.run.page for line in analysis.lines if line.metrics}
    pages = {name: page for name, page in pages.items() if page.is_file()}
    if not pages:
        return ""
    text = ["", "## Pictures", "", "Source, instruction, target, edited, map, held cells."]
    for name, page in pages.items():
        relative = page.relative_to(analysis.directory).as_posix()
        text += ["", f"### {_text(name)}", "", f"![{_text(name)}](../{relative})"]
    return "\n".join(text) + "\n"


def _lines(block: Block) -> list[str]:
    if isinstance(block, Heading):
        return [f"## {_text(block.text)}"]
    if isinstance(block, Paragraph):
        return [f"- {_text(block.text)}"]
    if isinstance(block, Figure):
        return [f"![{_text(block.caption)}]({block.file})", "", _text(block.caption)]
    return _table(block)


def _table(table: Table) -> list[str]:
    align = "---" if len(table.header) == 2 else "---:"  # a text beside a name, else numbers
    rows = [table.header, ["---", *[align] * (len(table.header) - 1)], *table.rows]
    return [f"{_text(table.caption)}:", "", *("| " + " | ".join(map(_text, row)) + " |" for row in rows)]


def _text(text: str) -> str:
    """One line, in which a bar closes no cell and a sample's text makes no HTML."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
