"""The report as one page that needs nothing else: style, script and pictures inside, and no request to anywhere."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.ticker import MaxNLocator

from editmgt.analysis.effects import Summary
from editmgt.metrics.registry import REGISTRY
from editmgt.report.analysis import Analysis, main_metrics
from editmgt.report.document import Block, Figure, Heading, Paragraph, Table
from editmgt.report.gallery import pages
from editmgt.report.numbers import interval, metric_title, p_value, verdict
from editmgt.report.words import answer, better, phrase

_HERE = Path(__file__).parent
_DRAWN = ("forest.png", "types.png", "strip.png")  # the page draws these itself
_OTHERS = 6  # forests beside the primary's


def page(
    title: str,
    analysis: Analysis,
    blocks: Sequence[Block],
    pictures: Mapping[str, bytes],
    samples: dict[str, Any] | None,
) -> str:
    """Return the page.

    Args:
        title: of the run or the sweep.
        analysis: what answer, effects and edit types are drawn from.
        blocks: the tables and figures of all formats.
        pictures: the PNG files that the figures among ``blocks`` name.
        samples: the gallery's.
    """
    style, script = ((_HERE / f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    figures = [block for block in blocks if isinstance(block, Figure) and block.file not in _DRAWN]
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            title=title,
            style=Markup(style),
            script=Markup(script),
            policy=_policy(style, script),
            answer=answer(analysis),
            notes=analysis.notes,
            forests=_forests(analysis),
            types=_types(analysis),
            cells=[analysis.design.label(levels) for levels in analysis.distinct],
            primary=metric_title(analysis.primary),
            gallery=samples,
            data=_json(samples),
            pages=[] if samples else [*pages(analysis)],
            figures=[(figure.caption, _png_uri(pictures[figure.file])) for figure in figures],
            sections=_sections(blocks),
        )
    )


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # a plain text first: markup that is joined would escape the element too
    made.filters["strong"] = lambda text: Markup(
        re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", str(escape(text)))
    )
    made.tests["table"] = lambda block: isinstance(block, Table)
    return made


def _policy(style: str, script: str) -> str:
    """What a browser may do with this page: run this script, apply this style, show pictures that it holds."""

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; img-src data:; style-src {digest(style)}; script-src {digest(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _json(value: Any) -> Markup:
    """JSON that no text in it can close the script element of."""
    return Markup(json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", r"\u003c"))


def _sections(blocks: Sequence[Block]) -> list[tuple[str, list[Block]]]:
    """Tables and paragraphs under their headings; what comes before the first, the answer, is none."""
    found: list[tuple[str, list[Block]]] = []
    for block in blocks:
        if isinstance(block, Heading):
            found.append((block.text, []))
        elif found and isinstance(block, Table | Paragraph):
            found[-1][1].append(block)
    return [
        section
        for section in found
        if section[1] and section[0] not in ("Missing, broken or left out", "Figures")
    ]


def _forests(analysis: Analysis) -> list[dict[str, Any]]:
    """Effects and their intervals as shares of a drawing's width, for each main metric, the primary's first."""
    found = []
    for name in [name for name in main_metrics(analysis) if name in analysis.effects][: _OTHERS + 1]:
        shown = [
            (family, [effect for effect in analysis.of_family(name, family) if effect.summary.n])
            for family in ("effects", "comparisons")
        ]
        effects = [effect for _, of_family in shown for effect in of_family]
        if not effects:
            continue
        scale = _Scale([effect.summary for effect in effects], with_zero=True)
        groups = [
            (
                family,
                [
                    scale.mark(effect.summary)
                    | {
                        "label": phrase(effect.contrast, analysis.design),
                        "p": p_value(effect.p_corrected),
                        "says": verdict(effect),
                        "note": effect.note,
                        "better": better(effect).strip() if verdict(effect) == "real" else "",
                    }
                    for effect in of_family
                ],
            )
            for family, of_family in shown
            if of_family
        ]
        found.append({"title": metric_title(name), "groups": groups, "scale": scale})
    return found


def _types(analysis: Analysis) -> dict[str, Any] | None:
    """The primary's mean of every cell for each edit type, as shares of one scale."""
    if not analysis.by_type:
        return None
    everything = [summary for means in analysis.by_type.values() for summary in means]
    scale = _Scale(everything, bounds=REGISTRY[analysis.primary])
    panels = [
        (name, max(mean.n for mean in means), [scale.mark(mean, signed=False) for mean in means])
        for name, means in analysis.by_type.items()
    ]
    return {"panels": panels, "scale": scale}


class _Scale:
    """Values as percent of a drawing's width, which leaves a margin for marks at its ends."""

    def __init__(self, summaries: Sequence[Summary], with_zero: bool = False, bounds: Any = None) -> None:
        values = np.array([[s.estimate, s.low, s.high] for s in summaries if s.n])
        values = np.append(values[np.isfinite(values)], [0.0] if with_zero else [])
        low, high = (values.min(), values.max()) if values.size else (0.0, 1.0)
        if bounds is not None:
            low = low if bounds.low is None else max(low, bounds.low)
            high = high if bounds.high is None else min(high, bounds.high)
        ticks = MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        self._low, self._high = float(ticks[0]), float(ticks[-1])
        self.ticks = [(self.at(tick), f"{tick:g}".replace("-", "−")) for tick in ticks]
        self.zero = self.at(0.0) if with_zero else None

    def at(self, value: float) -> float:
        """Return where a value lies, in percent."""
        share = (float(value) - self._low) / (self._high - self._low)
        return round(6 + 88 * min(max(share, 0.0), 1.0), 2)

    def mark(self, summary: Summary, signed: bool = True) -> dict[str, Any]:
        """Return an estimate's text, where it lies, and its interval's ends where it has one."""
        ends = np.isfinite([summary.low, summary.high]).all()
        return {
            "text": interval(summary, signed),
            "at": self.at(summary.estimate) if np.isfinite(summary.estimate) else None,
            "ends": (self.at(summary.low), self.at(summary.high)) if ends else None,
        }


def _png_uri(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
