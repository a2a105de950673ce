"""The report that a run or a sweep ends with, on the terminal and in ``report/``, from the stored rows alone."""

from pathlib import Path

from rich.console import Console

from editmgt.files import write_atomic
from editmgt.report.analysis import analyse
from editmgt.report.document import document
from editmgt.report.stored import Line

__all__ = ["Line", "build"]


def build(directory: Path, console: Console | None = None) -> list[Line]:
    """Print the report and write it to ``directory/report``; returns the rows of its table.

    ``summary.csv``, ``effects.csv`` and, where a judge compared, ``ratings.csv`` for programs, ``report.md``, ``report.html`` and ``report.tex`` for
    people, and the figures as PNG.

    Raises:
        UserError: where ``directory`` holds neither a run nor a sweep, or a study file that does not fit it.
    """
    # late: drawing takes a second to import
    from editmgt.report import csv_tables, figures, latex, markdown, pairwise, terminal
    from editmgt.report.gallery import gallery
    from editmgt.report.web_page import page

    analysis = analyse(directory)
    pictures, shown, absent = figures.draw_all(analysis)
    blocks = document(analysis, shown, absent)
    title = directory.resolve().name
    files: dict[str, str | bytes] = {
        "summary.csv": csv_tables.summary_csv(analysis),
        "effects.csv": csv_tables.effects_csv(analysis),
        "report.md": markdown.markdown(title, blocks) + markdown.gallery(analysis),
        "report.tex": latex.latex(title, blocks),
        "report.html": page(title, analysis, blocks, pictures, gallery(analysis)),
        **({"ratings.csv": pairwise.ratings_csv(analysis.tournaments)} if analysis.tournaments else {}),
        **pictures,
    }
    out = directory / "report"
    for name, content in files.items():
        write_atomic(out / name, content)
    for name in set(figures.FILES) - set(pictures):
        (out / name).unlink(missing_ok=True)  # of a report before, no longer true
    terminal.show(analysis, console)
    return analysis.lines
