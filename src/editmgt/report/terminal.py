"""The report on a terminal: the cells, then the effects on the primary metric, then the answer."""

from collections.abc import Callable, Sequence

from rich import table as rich_table
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement

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

_NAME = 28  # characters of a line of a cell's or an effect's name


def show(analysis: Analysis, console: Console | None = None) -> None:
    """Print; ``console`` is rich's own unless given."""
    # a file has no width: the table should not be folded into one of 80 columns
    console = console or Console(width=None if Console().is_terminal else 160)
    names = columns(analysis.lines)
    console.print(_that_fits(console, len(names), lambda shown: _cells(analysis.lines, names[:shown])))
    families = [analysis.of_family(analysis.primary, name) for name in ("effects", "comparisons")]
    if effects := [effects_table(analysis, family, "") for family in families if family]:
        console.print(_tables(console, f"effects on {metric_title(analysis.primary)}", *effects))
    for found in analysis.tournaments:
        console.print(_tables(console, f"ratings on {found.benchmark}", Table("", *pairwise.table(found))))
    for text in (
        *analysis.notes,
        *trainings(analysis.lines),
        *published_beside(analysis.lines),
        *map(pairwise.said, analysis.tournaments),
        *answer(analysis),
    ):
        console.print(text.replace("**", ""), markup=False, highlight=False, soft_wrap=True)


def _that_fits(console: Console, columns: int, make: Callable[[int], rich_table.Table]) -> rich_table.Table:
    """The table with as many columns, from the first, as the console is wide: a number that is cut short is none."""
    for shown in range(columns, -1, -1):
        table = make(shown)
        if Measurement.get(console, console.options.update(width=9999), table).maximum <= console.width:
            break
    if shown < columns:
        table.caption = f"more columns in the report: {columns - shown}"
    return table


def _cells(lines: Sequence[Line], names: Sequence[str]) -> rich_table.Table:
    table = rich_table.Table(header_style="bold")
    table.add_column("", overflow="fold", max_width=_NAME)
    for name in names:
        group, _, rest = column_title(name).partition("/")
        table.add_column(f"{group}\n{rest}", justify="right", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    for index, line in enumerate(lines):
        style = "red" if line.state != "done" else "dim" if line.kind == "control" else ""
        last_of_kind = index + 1 < len(lines) and lines[index + 1].kind != line.kind
        texts = [escape(line.name.replace("__", "\n")), *(value(line, name) for name in names), count(line)]
        table.add_row(*texts, style=style, end_section=last_of_kind)
    table.add_section()
    for row in published_rows(lines, names):
        table.add_row(*map(escape, row), style="dim italic")
    return table


def _tables(console: Console, title: str, *parts: Table) -> rich_table.Table:
    """Tables of one header as one, a line between them."""
    first, *others = map(escape, parts[0].header)

    def make(shown: int) -> rich_table.Table:
        table = rich_table.Table(title=escape(title), header_style="bold")
        table.add_column(first, overflow="fold", max_width=_NAME)
        for name in others[:shown]:
            table.add_column(name, justify="right", no_wrap=True)
        for part in parts:
            for row in part.rows:
                table.add_row(*map(escape, row[: 1 + shown]))
            table.add_section()
        return table

    return _that_fits(console, len(others), make)
