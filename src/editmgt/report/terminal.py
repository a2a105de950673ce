"""The report on a terminal: the cells, then the effects on the primary metric, then the answer."""

from collections.abc import Sequence

from rich import table as rich_table
from rich.console import Console
from rich.markup import escape

from editmgt.report import pairwise
from editmgt.report.analysis import Analysis, columns
from editmgt.report.document import (
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
    primary = analysis.primary
    effects = [*analysis.of_family(primary, "effects"), *analysis.of_family(primary, "comparisons")]
    if effects:
        console.print(_effects(analysis))
    for found in analysis.tournaments:
        console.print(_ratings(found))
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


def _ratings(found: pairwise.Tournament) -> rich_table.Table:
    header, rows = pairwise.table(found)
    table = rich_table.Table(*header[:1], title=escape(f"ratings on {found.benchmark}"), header_style="bold")
    for name in header[1:]:
        table.add_column(escape(name), justify="right")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _effects(analysis: Analysis) -> rich_table.Table:
    table = rich_table.Table(
        title=escape(f"effects on {metric_title(analysis.primary)}"), header_style="bold"
    )
    families = [analysis.of_family(analysis.primary, name) for name in ("effects", "comparisons")]
    parts = [effects_table(analysis, effects, "") for effects in families if effects]
    table.add_column(parts[0].header[0], overflow="fold")
    for name in parts[0].header[1:]:
        table.add_column(name, justify="right")
    for part in parts:
        for index, row in enumerate(part.rows):
            table.add_row(*map(escape, row), end_section=index + 1 == len(part.rows))
    return table
