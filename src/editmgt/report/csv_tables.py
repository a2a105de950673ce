"""The report as files for programs: ``summary.csv`` and ``effects.csv``, numbers in full."""

from collections.abc import Sequence
from typing import Any

from editmgt.analysis.effects import family
from editmgt.config import show
from editmgt.metrics.registry import REGISTRY
from editmgt.report.analysis import Analysis
from editmgt.report.document import levels_text
from editmgt.report.numbers import verdict
from editmgt.spreadsheet import to_csv

EFFECT_COLUMNS = (
    "effect", "kind", "family", "metric", "direction", "unit", "estimate", "low", "high", "p", "p_corrected",
    "verdict", "win_rate", "n", "images", "seeds", "sd_seed", "sd_image", "sd_noise", "failed", "undefined",
    "absent", "seeds_left_out", "missing_cells", "note",
)  # fmt: skip


def summary_csv(analysis: Analysis) -> str:
    """A row for every cell, reference and control, with all of its stored means."""
    factors = [factor.key for factor in analysis.design.factors]
    names = list(dict.fromkeys(name for line in analysis.lines for name in line.metrics))
    stored = ("error", "training_fingerprint", "protocol_fingerprint")
    rows: list[list[Any]] = [["cell", "kind", "state", *stored, *factors, "seed", *names]]
    for line in analysis.lines:
        place = analysis.study.places.get(line.name) if line.kind == "cell" else None
        where = [*levels_text(analysis, place[0]), place[1]] if place else [""] * (len(factors) + 1)
        said = [line.status.get(key) for key in stored]
        rows.append(
            [line.name, line.kind, line.state, *said, *where, *(line.metrics.get(name) for name in names)]
        )
    return to_csv(rows)


def effects_csv(analysis: Analysis) -> str:
    """A row for every effect and comparison on every metric; an empty value cannot be told from these data."""
    rows: list[Sequence[Any]] = [EFFECT_COLUMNS]
    for effect in (effect for effects in analysis.effects.values() for effect in effects):
        s, spec = effect.summary, REGISTRY[effect.metric]
        seeds_left_out = ";".join(show(seed) for seed in s.seeds_left_out)
        missing = ";".join(analysis.design.label(levels) for levels in effect.missing)
        rows.append(
            [effect.contrast.name, effect.contrast.kind, family(effect.contrast), spec.name, spec.direction,
             spec.unit, s.estimate, s.low, s.high, s.p, effect.p_corrected, verdict(effect), effect.win_rate,
             s.n, s.images, len(s.seeds), s.sd_seed, s.sd_image, s.sd_noise, s.failed, s.undefined, s.absent,
             seeds_left_out, missing, effect.note]
        )  # fmt: skip
    return to_csv(rows)
