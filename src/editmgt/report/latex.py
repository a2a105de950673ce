"""The report's tables as LaTeX, for the booktabs package."""

from collections.abc import Sequence

from editmgt.report.document import Block, Table

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "→": r"$\to$",
    "×": r"$\times$",
    "−": "$-$",
    "–": "--",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "²": "$^2$",
    "·": r"$\cdot$",
}


def latex(title: str, blocks: Sequence[Block]) -> str:
    """Return a file to ``\\input``: a table for each of the report's, all in ASCII."""
    tables = [block for block in blocks if isinstance(block, Table)]
    head = [f"% {escape(title)}: \\usepackage{{booktabs}}", ""]
    return "\n".join([*head, *(line for table in tables for line in _table(table))])


def escape(text: str) -> str:
    """Return text that LaTeX prints as it is; a character outside of ASCII that has no command becomes ``?``."""
    escaped = "".join(_SPECIAL.get(character, character) for character in " ".join(text.split()))
    return escaped.encode("ascii", "replace").decode()


def _table(table: Table) -> list[str]:
    columns = "l" + "r" * (len(table.header) - 1)
    if len(table.header) == 2:
        columns = r"lp{0.7\linewidth}"
    return [
        r"\begin{table}",
        r"\centering",
        r"\small",
        rf"\caption{{{escape(table.caption)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _row(table.header),
        r"\midrule",
        *map(_row, table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
        "",
    ]


def _row(row: Sequence[str]) -> str:
    # a bracket or an asterisk after a line's end would be read as its argument
    first, *others = map(escape, row)
    return " & ".join([f"{{{first}}}" if first.startswith(("[", "*")) else first, *others]) + r" \\"
