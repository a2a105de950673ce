"""The report's figures, each a function of the analysis that returns a drawing, or says why there is none."""

import math
import warnings
from collections.abc import Callable, Sequence
from itertools import combinations, cycle

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Drawing
from PIL import Image

from editmgt.analysis.contrasts import Factor, Levels
from editmgt.analysis.effects import Effect, Summary, summarise_all
from editmgt.config import show
from editmgt.editing.picture_files import png
from editmgt.metrics.registry import REGISTRY
from editmgt.report.analysis import Analysis, main_metrics
from editmgt.report.document import Figure
from editmgt.report.numbers import metric_title, verdict
from editmgt.report.strip import strip
from editmgt.report.words import phrase

FILES = ("forest.png", "interaction.png", "tradeoff.png", "types.png", "strip.png")
LEAKAGE = "outside/l1"
# Colour-blind safe (Okabe and Ito 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
GREY = "#8a8a90"
_LARGEST = 240  # inches a side: matplotlib draws none of 65536 pixels


class Absent(Exception):
    """There is nothing to draw; the message says why."""


@rc_context({"text.parse_math": False})  # a dollar in a name is no formula
def draw_all(analysis: Analysis) -> tuple[dict[str, bytes], list[Figure], list[str]]:
    """Return PNG files by name, the figures that name them, and a line for each that there is not."""
    found: dict[str, bytes] = {}
    figures, absent = [], []
    drawings: dict[str, tuple[str, Callable[[Analysis], Drawing]]] = {
        "forest": ("Effects with 95% intervals; filled: corrected p < 0.05", forest),
        "interaction": (
            f"{metric_title(analysis.primary)} by two factors, averaged over the others",
            interaction,
        ),
        "tradeoff": (
            "Leakage outside the edit mask against success; circled: Pareto front of the cells",
            tradeoff,
        ),
        "types": (f"{metric_title(analysis.primary)} for each edit type, with 95% intervals", types),
    }
    for name, (caption, draw) in drawings.items():
        try:
            found[f"{name}.png"] = _png(draw(analysis))
        except Absent as why:
            absent.append(f"No {name}.png: {why}.")
            continue
        figures.append(Figure(f"{name}.png", caption))
    picture, said = strip(analysis)
    if picture is None:
        absent.append(f"No strip.png: {said}.")
    else:
        found["strip.png"] = picture
        figures.append(Figure("strip.png", said))
    return (
        found,
        figures,
        absent if len(analysis.distinct) > 1 else [],
    )  # one run is not told what a sweep has


def forest(analysis: Analysis) -> Drawing:
    """Effects and their intervals, a panel for each main metric, the primary's first."""
    names = [name for name in main_metrics(analysis) if name in analysis.effects][:4]
    which = "effects" if analysis.of_family(analysis.primary, "effects") else "comparisons"
    by_metric = {name: _shown(analysis.of_family(name, which)) for name in names}
    rows = list(dict.fromkeys(phrase(e.contrast, analysis.design) for es in by_metric.values() for e in es))
    if not rows:
        raise Absent("no effect could be estimated")
    drawing = Drawing(
        figsize=(3.2 * len(names) + max(3.2, 0.065 * max(map(len, rows))), 0.38 * len(rows) + 1.4),
        layout="tight",
    )
    panels: list[Axes] = list(drawing.subplots(1, len(names), sharey=True, squeeze=False)[0])
    for name, axes in zip(names, panels, strict=True):
        at = [(e, rows.index(phrase(e.contrast, analysis.design))) for e in by_metric[name]]
        ends = [(y, e.summary.low, e.summary.high) for e, y in at if math.isfinite(e.summary.low)]
        if ends:
            axes.hlines(*zip(*ends, strict=True), color=COLOURS[0])
        for real, fill in ((True, COLOURS[0]), (False, "white")):
            points = [(e.summary.estimate, y) for e, y in at if (verdict(e) == "real") == real]
            axes.plot(*np.reshape(points, (-1, 2)).T, "o", color=COLOURS[0], mfc=fill)
        axes.axvline(0, color=GREY, lw=0.8, zorder=0)
        axes.locator_params(axis="x", nbins=4)
        axes.set_title(metric_title(name), fontsize=9)
    panels[0].set_yticks(range(len(rows)), rows, fontsize=8)
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    return drawing


def interaction(analysis: Analysis) -> Drawing:
    """The primary's mean over one factor, a line for each level of another, a panel for each pair."""
    pairs = list(combinations(analysis.design.factors, 2))
    if not pairs or analysis.scores is None:
        raise Absent("it takes two factors")
    if not analysis.study.full_factorial:
        raise Absent("the cells are not a full factorial")
    columns = min(len(pairs), 3)
    rows = math.ceil(len(pairs) / columns)
    drawing = Drawing(figsize=(3.6 * columns, 3 * rows), layout="tight")
    panels: list[Axes] = list(drawing.subplots(rows, columns, sharey=True, squeeze=False).ravel())
    drawn = [_lines(analysis, axes, *pair) for axes, pair in zip(panels, pairs, strict=False)]
    for axes in panels[len(pairs) :]:
        axes.set_visible(False)
    if not any(drawn):
        raise Absent("cells are missing")
    return drawing


def tradeoff(analysis: Analysis) -> Drawing:
    """Success against leakage: each configuration, the controls, and the front that no cell beats on both."""
    names = analysis.scores.metrics if analysis.scores else []
    if LEAKAGE not in names or analysis.primary not in names or analysis.primary == LEAKAGE:
        raise Absent(f"it takes {LEAKAGE} and another primary metric")
    everywhere = [(levels, None) for levels in analysis.distinct]
    points = list(
        zip(
            analysis.means(LEAKAGE, everywhere),
            analysis.means(analysis.primary, everywhere),
            map(analysis.design.label, analysis.distinct),
            strict=True,
        )
    )
    points = [point for point in points if point[0].n and point[1].n]
    if not points:
        raise Absent("no cell has both")
    controls = [
        (line.metrics[LEAKAGE], line.metrics[analysis.primary], line.name)
        for line in analysis.lines
        if line.kind != "cell" and LEAKAGE in line.metrics and analysis.primary in line.metrics
    ]
    sign = -1 if REGISTRY[analysis.primary].direction == "lower" else 1
    front = [points[i][:2] for i in pareto_front([(x.estimate, sign * y.estimate) for x, y, _ in points])]
    closer = bool(controls) and len(points) > 1
    drawing = Drawing(figsize=(11 if closer else 6.5, 4.9), layout="constrained")
    panels: list[Axes] = drawing.subplots(1, 1 + closer, squeeze=False)[0].tolist()
    for axes in panels:
        for i, (x, y, label) in enumerate(points):
            axes.errorbar(x.estimate, y.estimate, xerr=_bars(x), yerr=_bars(y), fmt="os^Dv"[i // len(COLOURS) % 5],
                          color=COLOURS[i % len(COLOURS)], label=label, lw=0.8)  # fmt: skip
        if len(points) > 1:
            axes.plot([x.estimate for x, _ in front], [y.estimate for _, y in front], "o-", mfc="none", ms=13,
                      color=GREY, lw=1, zorder=0, label="Pareto front")  # fmt: skip
        near = axes.axis()
        for marker, (x_control, y_control, name) in zip(cycle("*PXdp"), controls, strict=False):
            axes.plot(x_control, y_control, marker, color=GREY, ms=9, ls="none", label=name)
        axes.set_xlabel(metric_title(LEAKAGE))
    panels[0].set_ylabel(metric_title(analysis.primary))
    if closer:  # the controls are far from the cells, which they squeeze to a spot
        panels[1].axis(near)
        panels[1].set_title("the cells, closer", fontsize=9)
    _legend(drawing, panels[0])
    return drawing


def types(analysis: Analysis) -> Drawing:
    """The primary for each edit type, a bar for each configuration."""
    if analysis.scores is None or analysis.primary not in analysis.scores.metrics:
        raise Absent("the primary metric was not scored")
    names = [name if len(name) < 25 else f"{name[:24]}…" for name in analysis.by_type]
    if not names:
        raise Absent("the samples have no edit types")
    cells = analysis.distinct
    width = 0.85 / len(cells)
    each = max(0.16 * len(cells), 0.1 * max(map(len, names)))
    drawing = Drawing(figsize=(max(6.0, each * len(names) + 2), 4.0), layout="constrained")
    axes = drawing.subplots()
    for i, levels in enumerate(cells):
        means = [of_type[i] for of_type in analysis.by_type.values()]
        x = np.arange(len(names)) + (i - (len(cells) - 1) / 2) * width
        axes.bar(x, [mean.estimate for mean in means], width, color=COLOURS[i % len(COLOURS)],
                 hatch=("", "//", "..", "xx", "oo")[i // len(COLOURS) % 5], label=analysis.design.label(levels))  # fmt: skip
        axes.errorbar(x, [mean.estimate for mean in means], yerr=np.hstack([_bars(mean) for mean in means]),
                      fmt="none", ecolor="black", elinewidth=0.7)  # fmt: skip
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel(metric_title(analysis.primary))
    _legend(drawing, axes)
    return drawing


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return which points (lower first value, higher second) no other beats on both, by their first value."""
    front: list[int] = []
    for i in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if not front or points[i][1] > points[front[-1]][1]:
            front.append(i)
    return front


def _lines(analysis: Analysis, axes: Axes, across: Factor, by: Factor) -> bool:
    """Draw one panel; whether any of its means could be told."""
    assert analysis.scores is not None
    positions = {factor.key: i for i, factor in enumerate(analysis.design.factors)}
    at: dict[tuple[int, int], list[Levels]] = {}  # (level of by, level of across) -> its cells
    for levels in analysis.design.combinations():
        at.setdefault((levels[positions[by.key]], levels[positions[across.key]]), []).append(levels)
    asked = [(dict.fromkeys(cells, 1 / len(cells)), None) for _, cells in sorted(at.items())]
    drawn = [summary for summary, _ in summarise_all(analysis.scores, asked, analysis.primary)]
    for j, value in enumerate(by.values):
        means = drawn[j * len(across.values) : (j + 1) * len(across.values)]
        x = np.arange(len(means)) + 0.03 * (j - (len(by.values) - 1) / 2)
        axes.errorbar(x, [m.estimate for m in means], yerr=np.array([_bars(m) for m in means])[..., 0].T, fmt="o-",
                      color=COLOURS[j % len(COLOURS)], capsize=2, label=f"{by.label} {show(value)}")  # fmt: skip
    axes.set_xticks(range(len(across.values)), [show(value) for value in across.values])
    axes.set_xlabel(across.label)
    axes.set_ylabel(metric_title(analysis.primary), fontsize=8)
    axes.legend(fontsize=7)
    return any(mean.n for mean in drawn)


def _legend(drawing: Drawing, axes: Axes) -> None:
    """Put it below, in as many columns as the drawing's width has room for; the drawing grows by its height."""
    handles, labels = axes.get_legend_handles_labels()
    width, height = drawing.get_size_inches()
    columns = max(1, int(width / (0.6 + 0.055 * max(map(len, labels)))))
    drawing.set_size_inches(width, height + 0.16 * math.ceil(len(labels) / columns))
    drawing.legend(handles, labels, fontsize=7, loc="outside lower center", ncols=columns)


def _bars(summary: Summary) -> np.ndarray:
    """Lengths below and above the estimate [2, 1]; none where there is no interval."""
    lengths = np.nan_to_num([[summary.estimate - summary.low], [summary.high - summary.estimate]])
    return lengths.clip(0)  # a mean may leave its metric's range by rounding


def _shown(effects: Sequence[Effect]) -> list[Effect]:
    return [effect for effect in effects if effect.summary.n]


def _png(drawing: Drawing) -> bytes:
    """The picture; drawn once, where ``savefig`` draws once for the layout and once more."""
    drawing.set_dpi(130)
    drawing.set_size_inches(np.minimum(drawing.get_size_inches(), _LARGEST))
    canvas = FigureCanvasAgg(drawing)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # of letters that its font lacks, of names too long for it
        canvas.draw()
    return png(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"))
