"""The report as blocks, which markdown, HTML and LaTeX write down each in its way."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from editmgt.analysis.contrasts import Levels
from editmgt.analysis.effects import Effect, Seed
from editmgt.analysis.ratings import ESTIMATOR
from editmgt.benchmarks import published
from editmgt.config import show
from editmgt.metrics.registry import REGISTRY
from editmgt.report import pairwise
from editmgt.report.analysis import Analysis, columns, main_metrics
from editmgt.report.numbers import (
    column_title,
    decimals,
    interval,
    metric_title,
    p_value,
    percent,
    spread,
    verdict,
)
from editmgt.report.stored import WEIGHTS, Line
from editmgt.report.words import answer, method, phrase
from editmgt.results import readable


@dataclass(frozen=True)
class Heading:
    """A section's title."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Text with ``**strong**`` and nothing else."""

    text: str


@dataclass(frozen=True)
class Table:
    """Texts; the first column to the left, the others to the right."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Figure:
    """A PNG beside the report."""

    file: str
    caption: str


Block = Heading | Paragraph | Table | Figure


def document(analysis: Analysis, figures: Sequence[Figure], absent: Sequence[str]) -> list[Block]:
    """Return the whole report; ``absent`` says which figures there are none of, and why."""
    blocks: list[Block] = [Paragraph(text) for text in answer(analysis)]
    blocks += (
        [Heading("Missing, broken or left out"), *map(Paragraph, analysis.notes)] if analysis.notes else []
    )
    blocks += _effects(analysis)
    blocks += _comparisons(analysis)
    blocks += [Heading("Figures"), *figures] if figures else []
    blocks += [Paragraph(text) for text in absent]
    if analysis.configurations and len(_seeds(analysis)) > 1:
        blocks += [Heading("Configurations"), configurations(analysis)]
    blocks += [Heading("Cells"), cells(analysis.lines)]
    blocks.append(
        Paragraph(
            "↑ higher is better, ↓ lower is better. n: samples scored; a mean over fewer says how many."
        )
    )
    blocks += [Paragraph(text) for text in (*trainings(analysis.lines), *published_beside(analysis.lines))]
    blocks += [Heading("How this was computed"), *map(Paragraph, method(analysis))]
    names = list(dict.fromkeys([analysis.primary, *main_metrics(analysis)]))
    blocks += [Heading("What the columns are"), _definitions(names)]
    return blocks


def effects_table(analysis: Analysis, effects: Sequence[Effect], caption: str) -> Table:
    """Effects of one metric, a row each."""
    header = ["effect", "estimate [95%]", "corrected p", "says", "wins", "n", "images", "seeds",
              "sd seeds", "sd images", "sd rest"]  # fmt: skip
    rows = []
    for effect in effects:
        s = effect.summary
        says = verdict(effect) + (f": {effect.note}" if effect.note else "")
        sds = [spread(value, s) for value in (s.sd_seed, s.sd_image, s.sd_noise)]
        counts = [str(s.n), str(s.images), _seed_count(s.seeds)]
        name = phrase(effect.contrast, analysis.design)
        rows.append(
            [name, interval(s), p_value(effect.p_corrected), says, percent(effect.win_rate), *counts, *sds]
        )
    return Table(caption, header, rows)


def configurations(analysis: Analysis) -> Table:
    """Means over the seeds, with their intervals."""
    names = [name for name in main_metrics(analysis) if name in analysis.metrics]
    rows = []
    columns_of = {
        name: analysis.means(name, [(levels, None) for levels in analysis.configurations]) for name in names
    }
    for i, levels in enumerate(analysis.configurations):
        means = [columns_of[name][i] for name in names]
        counts = [str(means[0].n), _seed_count(means[0].seeds)] if means else []
        rows.append([analysis.design.label(levels), *(interval(m, signed=False) for m in means), *counts])
    header = ["", *(metric_title(name) for name in names), "n", "seeds"]
    return Table("Means over training seeds with 95% intervals over seeds and images", header, rows)


def cells(lines: Sequence[Line]) -> Table:
    """The stored means: every cell, then the references and controls, then what others published."""
    names = columns(lines)
    rows = [[line.name, *(value(line, name) for name in names), count(line)] for line in lines]
    rows += published_rows(lines, names)
    return Table("Means of every cell", ["", *map(column_title, names), "n"], rows)


def value(line: Line, name: str) -> str:
    """A stored mean, and over how many samples where these are not all."""
    if name not in line.metrics:
        return "" if line.state == "done" else "-"
    undefined = line.metrics.get(f"{name}/undefined", 0)
    counted = f" (n={line.metrics['n'] - undefined:g})" if undefined and "n" in line.metrics else ""
    return f"{line.metrics[name]:.{decimals(name)}f}{counted}"


def count(line: Line) -> str:
    """The samples scored, and failed ones where there are any; of an unfinished cell, how it ended."""
    if line.state != "done":
        return line.state
    lacking = {"failed": line.metrics.get("failed", 0), "not judged": line.metrics.get("judge/failed", 0)}
    told = ", ".join(f"{number:g} {what}" for what, number in lacking.items() if number)
    return f"{line.metrics.get('n', 0):g}" + (f" ({told})" if told else "")


def published_rows(lines: Sequence[Line], names: Sequence[str]) -> list[list[str]]:
    """What others published for the benchmarks of the cells, under the table's columns; labelled as not measured."""
    return [
        [
            f"{entry.method} on {benchmark} ({published.LABEL})",
            *(f"{entry.values[name]:.{decimals(name)}f}" if name in entry.values else "" for name in names),
            "",
        ]
        for benchmark in _benchmarks(lines)
        for entry in published.published(benchmark)
        if not entry.values.keys().isdisjoint(names)
    ]


def published_beside(lines: Sequence[Line]) -> list[str]:
    """What others published for the benchmarks of the cells, and where."""
    return [note for name in _benchmarks(lines) for note in published.notes(name)]


def _benchmarks(lines: Sequence[Line]) -> list[str]:
    cells = [line for line in lines if line.kind == "cell" and "benchmark" in line.config]
    return list(dict.fromkeys(line.config["benchmark"].get("name", "") for line in cells))


def trainings(lines: Sequence[Line]) -> list[str]:
    """Return what each training learned, a line each."""
    found, seen = [], set()
    for line in lines:
        progress = readable(line.run.progress) or {}
        training = line.status.get(WEIGHTS)
        before, after = progress.get("before", {}), progress.get("after", {})
        if line.kind != "cell" or training in seen or not after:
            continue
        seen.add(training)
        changes = ", ".join(
            f"{name} {before[name]:.3f} -> {after[name]:.3f}" for name in after if name in before
        )
        found.append(f"training {training}, before -> after: {changes}")
    return found


def _effects(analysis: Analysis) -> Iterator[Block]:
    primary = analysis.primary
    of_factors = analysis.of_family(primary, "effects")
    with_baseline = analysis.of_family(primary, "comparisons")
    if not of_factors and not with_baseline:
        return
    title = metric_title(primary)
    yield Heading(f"Effects on {title}")
    if of_factors:
        yield effects_table(analysis, of_factors, f"Effects of factors on {title}")
    if with_baseline:
        baseline = analysis.design.label(analysis.design.baseline)
        yield effects_table(analysis, with_baseline, f"{title}: cells less the baseline ({baseline})")
    others = [name for name in main_metrics(analysis) if name in analysis.effects and name != primary]
    if others:
        yield Heading("Effects on the other metrics")
        yield _matrix(analysis, others)
        yield Paragraph(
            "An asterisk: corrected p < 0.05. effects.csv has every metric, with counts, p and win rates."
        )


def _comparisons(analysis: Analysis) -> Iterator[Block]:
    for found in analysis.tournaments:
        header, rows = pairwise.table(found)
        yield Heading(f"Pairwise judging on {found.benchmark}")
        yield Table(f"Ratings by {_judge(analysis, found.benchmark)}, two edits at a time", header, rows)
        yield Paragraph(pairwise.said(found))
        yield Paragraph(f"{ESTIMATOR}.")


def _judge(analysis: Analysis, benchmark: str) -> str:
    settings = [line.config.get("benchmark", {}) for line in analysis.lines if line.kind == "cell"]
    judges = [one.get("judge") or {} for one in settings if one.get("name") == benchmark]
    return ", ".join(dict.fromkeys(str(judge.get("model")) for judge in judges)) or "a judge"


def _matrix(analysis: Analysis, metrics: Sequence[str]) -> Table:
    """A row per effect, a column per metric."""
    which = "effects" if analysis.of_family(analysis.primary, "effects") else "comparisons"
    found = {
        (phrase(e.contrast, analysis.design), name): interval(e.summary)
        + (" *" if verdict(e) == "real" else "")
        for name in metrics
        for e in analysis.of_family(name, which)
    }
    names = list(dict.fromkeys(name for name, _ in found))
    rows = [[name, *(found.get((name, metric), "") for metric in metrics)] for name in names]
    return Table("Effects with 95% intervals", ["effect", *map(metric_title, metrics)], rows)


def _definitions(names: Sequence[str]) -> Table:
    rows = [[metric_title(name), REGISTRY[name].description] for name in names]
    return Table("Metrics", ["metric", "what it is"], rows)


def _seeds(analysis: Analysis) -> tuple[Seed, ...]:
    return analysis.scores.seeds if analysis.scores else ()


def _seed_count(seeds: tuple[Seed, ...]) -> str:
    return "–" if seeds == (None,) else str(len(seeds))


def levels_text(analysis: Analysis, levels: Levels) -> list[str]:
    """Return the values of a cell, one for each factor, as on a command line."""
    return [show(f.values[level]) for f, level in zip(analysis.design.factors, levels, strict=True)]
