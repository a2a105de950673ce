"""The report on a terminal: the cells, then the effects on the primary metric, then the answer."""

from collections.abc import Sequence

from rich import table as rich_table
from rich.console import Console
from rich.markup import escape

from editmgt.report import pairwise
from editmgt.report.analysis import Analysis, columns
from editmgt.report.document import (
    Table,
    count,
    effects_table,
    published_beside,
    published_rows,
    trainings,
    value,
)
from editmgt.report.numbers import column_title, metric_title
from editmgt.report.stored import Line
from editmgt.report.words import answer


def show(analysis: Analysis, console: Console | None = None) -> None:
    """Print; ``console`` is rich's own unless given."""
    # a file has no width: the table should not be folded into one of 80 columns
    console = console or Console(width=None if Console().is_terminal else 160)
    console.print(_cells(analysis.lines))
    families = [analysis.of_family(analysis.primary, name) for name in ("effects", "comparisons")]
    if effects := [effects_table(analysis, family, "") for family in families if family]:
        console.print(_table(f"effects on {metric_title(analysis.primary)}", *effects))
    for found in analysis.tournaments:
        console.print(_table(f"ratings on {found.benchmark}", Table("", *pairwise.table(found))))
    for text in (
        *analysis.notes,
        *trainings(analysis.lines),
        *published_beside(analysis.lines),
        *map(pairwise.said, analysis.tournaments),
        *answer(analysis),
    ):
        console.print(text.replace("**", ""), markup=False, highlight=False, soft_wrap=True)


def _cells(lines: Sequence[Line]) -> rich_table.Table:
    table = rich_table.Table(header_style="bold")
    table.add_column("", overflow="fold")
    names = columns(lines)
    for name in names:
        group, _, rest = column_title(name).partition("/")
        table.add_column(f"{group}\n{rest}", justify="right")
    table.add_column("n", justify="right")
    for index, line in enumerate(lines):
        style = "red" if line.state != "done" else "dim" if line.kind == "control" else ""
        last_of_kind = index + 1 < len(lines) and lines[index + 1].kind != line.kind
        texts = [escape(line.name.replace("__", "\n")), *(value(line, name) for name in names), count(line)]
        table.add_row(*texts, style=style, end_section=last_of_kind)
    table.add_section()
    for row in published_rows(lines, names):
        table.add_row(*map(escape, row), style="dim italic")
    return table


def _table(title: str, *parts: Table) -> rich_table.Table:
    """Tables of one header as one, a line between them."""
    first, *others = parts[0].header
    table = rich_table.Table(title=escape(title), header_style="bold")
    table.add_column(escape(first), overflow="fold")
    for name in others:
        table.add_column(escape(name), justify="right")
    for part in parts:
        for row in part.rows:
            table.add_row(*map(escape, row))
        table.add_section()
    return table
