"""CSV whose texts a spreadsheet shows as they are: one that would run as a formula there has a ``'`` before it.

Ids, instructions and edit types come from whoever made a benchmark, and ``=HYPERLINK(...)`` is a formula to every
spreadsheet. What begins with a character that OWASP lists (CSV injection), in its full width too, gets a quote, as
people type it by hand; so does such a text that has quotes before it already, so that every text can be read back.
"""

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence

_RUNS = "[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
_TO_SHIELD, _SHIELDED = re.compile(f"'*{_RUNS}"), re.compile(f"'+{_RUNS}")


def shield(text: str) -> str:
    """Return ``text`` as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if _TO_SHIELD.match(text) else text


def unshield(cell: str) -> str:
    """Undo :func:`shield`."""
    return cell[1:] if _SHIELDED.match(cell) else cell


def to_csv(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV: texts shielded, numbers in full, nothing for None and for a float that is not finite."""
    lines = []
    for row in rows:
        line = io.StringIO()
        # both ends of a line, or a lone "\r" in a text would go without quotes
        csv.writer(line, lineterminator="\r\n").writerow([_cell(value) for value in row])
        lines.append(line.getvalue().removesuffix("\r\n") + "\n")
    # half a surrogate pair is no text that a file can hold
    return "".join(lines).encode("utf-8", "backslashreplace").decode()


def from_csv(text: str) -> list[list[str]]:
    """Return the rows of :func:`to_csv`, every cell as text; numbers never begin with a quote.

    Raises:
        ValueError: for what is no CSV.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        return [[unshield(cell) if cell[:1] == "'" else cell for cell in row] for row in reader]
    except csv.Error as error:  # which is no ValueError of its own
        raise ValueError(f"line {reader.line_num}: {error}") from error


def _cell(value: object) -> object:
    if isinstance(value, str):
        return shield(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else ""
    return "" if value is None else value
