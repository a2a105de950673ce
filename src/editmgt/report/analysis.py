"""Everything a report says, computed once from the stored rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from editmgt.analysis.contrasts import Design, Levels
from editmgt.analysis.effects import KEY, Effect, Scores, Seed, Summary, estimate, family, summarise_all
from editmgt.metrics.registry import REGISTRY
from editmgt.report.numbers import JUDGED
from editmgt.report.pairwise import Tournament, read_tournaments
from editmgt.report.question import Study, read_study, why_no_effects
from editmgt.report.stored import Line, collect
from editmgt.results.run_directory import SAMPLES

# The columns of tables for people; the files hold every metric.
MAIN = (
    "edit/success",
    "edit/success_strict",
    "inside/l1",
    "outside/l1",
    "outside_codec/l1",
    "whole/psnr",
    "localization/auc",
    "localization/iou_best",
    "speed/edit_seconds",
)


_WIDEST = 12  # metrics: a longer list that was asked for goes to the files whole


@dataclass(frozen=True)
class Analysis:
    """A run or a sweep, read and compared.

    Attributes:
        directory: of the run or sweep.
        lines: cells, references, controls.
        study: the question.
        scores: of the finished cells; None where no sample was scored.
        notes: what is missing, broken or left out, a line each.
        tournaments: what a judge said of edits two at a time, by benchmark.
    """

    directory: Path
    lines: list[Line]
    study: Study
    scores: Scores | None
    notes: tuple[str, ...]
    tournaments: list[Tournament] = field(default_factory=list)

    @property
    def design(self) -> Design:
        """The factors."""
        return self.study.design

    @property
    def primary(self) -> str:
        """The metric that decides."""
        return self.study.primary

    @cached_property
    def metrics(self) -> list[str]:
        """Metrics that effects are estimated on, the primary first.

        Times have means and no effects: they are of whole batches and of a machine that may have been shared.
        """
        names = [] if self.scores is None else self.scores.metrics
        names = [name for name in names if not why_no_effects(name)]
        return sorted(names, key=lambda name: name != self.primary)

    @cached_property
    def effects(self) -> dict[str, list[Effect]]:
        """Metric -> its effects and comparisons; empty for fewer than two cells."""
        return (
            {} if self.scores is None else {name: self._effects(self.scores, name) for name in self.metrics}
        )

    def of_family(self, metric: str, name: str) -> list[Effect]:
        """Return a metric's ``effects`` or ``comparisons``."""
        return [effect for effect in self.effects.get(metric, []) if family(effect.contrast) == name]

    @cached_property
    def configurations(self) -> list[Levels]:
        """Distinct cells, seeds aside, that at least one seed has scores of; the baseline first."""
        if self.scores is None:
            return []
        found = {levels for levels, _ in self.scores.frames}
        return [levels for levels in self.design.combinations() if levels in found]

    @cached_property
    def distinct(self) -> list[Levels]:
        """The configurations that can differ in the primary metric: one of those that only what is off parts."""
        if self.scores is None:
            return []
        design = self.scores.design_for(self.primary)
        return list({design.canonical(levels): levels for levels in reversed(self.configurations)}.values())[
            ::-1
        ]

    @cached_property
    def noise_seed(self) -> str:
        """The seed of the edits' noise whose pictures are shown: the first of those that most cells have."""
        seeds = [_noise_seed(line) for _, line in self._of_first_training]
        return max(seeds, key=seeds.count, default="")

    @cached_property
    def shown(self) -> dict[Levels, Line]:
        """The cell of each distinct configuration whose pictures are shown: all of one training and one noise seed.

        Pictures of two seeds of the noise differ whatever the settings are, so they are not put side by side.
        """
        lines = {
            levels: line
            for levels, line in reversed(self._of_first_training)
            if _noise_seed(line) == self.noise_seed
        }
        return {levels: lines[levels] for levels in self.distinct if levels in lines}

    @property
    def _of_first_training(self) -> list[tuple[Levels, Line]]:
        """The finished cells that have rows, of the first training seed, with their levels."""
        if self.scores is None:
            return []
        placed = [
            (self.study.places[line.name], line)
            for line in self.lines
            if line.kind == "cell" and line.name in self.study.places
            if line.samples is not None and len(line.samples)
        ]
        return [(levels, line) for (levels, seed), line in placed if seed == self.scores.seeds[0]]

    def mean(self, levels: Levels, metric: str) -> Summary:
        """Return a configuration's mean over its seeds."""
        return self.means(metric, [(levels, None)])[0]

    def means(self, metric: str, asked: Sequence[tuple[Levels, str | None]]) -> list[Summary]:
        """Return the mean of each (configuration, edit type); None: over all types. No interval leaves the metric's range."""
        assert self.scores is not None
        types = self.scores.edit_types
        weights = [
            ({levels: 1.0}, None if edit_type is None else types == edit_type) for levels, edit_type in asked
        ]
        spec = REGISTRY[metric]
        low, high = -math.inf if spec.low is None else spec.low, math.inf if spec.high is None else spec.high
        return [
            replace(summary, low=max(summary.low, low), high=min(summary.high, high))  # NaN stays
            for summary, _ in summarise_all(self.scores, weights, metric)
        ]

    @cached_property
    def by_type(self) -> dict[str, list[Summary]]:
        """Edit type -> the primary's mean of each distinct configuration; empty where nothing has a type."""
        if self.scores is None or self.primary not in self.scores.metrics:
            return {}
        names = sorted({str(name) for name in self.scores.edit_types if name})
        means = iter(self.means(self.primary, [(levels, name) for name in names for levels in self.distinct]))
        return {name: [next(means) for _ in self.distinct] for name in names}

    def _effects(self, scores: Scores, metric: str) -> list[Effect]:
        design = scores.design_for(metric)
        contrasts = design.effects() if self.study.full_factorial else []
        if len(design.factors) > 1:
            planned = {design.canonical(levels) for levels, _ in self.study.planned}
            contrasts += [c for c in design.comparisons() if all(levels in planned for levels in c.weights)]
        return estimate(scores, contrasts, metric)


def analyse(directory: Path) -> Analysis:
    """Read a run or a sweep.

    Raises:
        UserError: where it is neither, or its study file names what does not exist.
    """
    lines = collect(directory)
    study = read_study(directory, lines)
    frames, repeats = _frames(lines, study)
    scores = Scores(frames, study.design, REGISTRY) if frames else None
    tournaments, broken = read_tournaments(directory)
    return Analysis(directory, lines, study, scores, (*_notes(lines, study), *repeats, *broken), tournaments)


def _frames(lines: list[Line], study: Study) -> tuple[dict[tuple[Levels, Seed], pd.DataFrame], list[str]]:
    """The rows of each place; cells that differ in their noise seed alone are pooled."""
    frames: dict[tuple[Levels, Seed], pd.DataFrame] = {}
    notes = []
    for line in lines:
        if line.kind != "cell" or line.samples is None or line.name not in study.places:
            continue
        place = study.places[line.name]
        both = pd.concat([frames[place], line.samples]) if place in frames else line.samples
        if both.duplicated(KEY).any():
            notes.append(f"{line.name} repeats another cell's samples: left out of the effects")
        else:
            frames[place] = both
    return frames, notes


def _notes(lines: list[Line], study: Study) -> list[str]:
    notes = [
        f"{line.name} {line.state}: {line.status.get('error') or 'it did not run to its end'}"
        for line in lines
        if line.kind == "cell" and line.state != "done"
    ]
    notes += [
        f"{line.name}: {line.status['error']}"
        for line in lines
        if line.kind != "cell" and line.state == "failed" and line.status.get("error")
    ]
    design = study.design
    there = {(design.canonical(levels), seed) for levels, seed in study.places.values()}
    gone = [p for p in study.planned if (design.canonical(p[0]), p[1]) not in there]
    notes += [
        f"{design.label(levels)}, seed {seed}: planned, and no cell is there"
        for levels, seed in sorted(gone, key=repr)
    ]
    unknown = sorted({name for line in lines for name in line.unknown})
    if unknown:
        notes.append(f"{SAMPLES} has columns that this version does not know, left out: {', '.join(unknown)}")
    return [*notes, *study.notes]


def columns(lines: Sequence[Line]) -> list[str]:
    """Return what the table of cells shows: the metrics that were asked for, as by a protocol, and judges' scores.

    Where none were asked for, or more than a table can hold, those of MAIN and of groups that MAIN knows nothing of, as far
    as they say what is better. What no line has is not shown.
    """
    have = dict.fromkeys(name for line in lines for name in line.metrics)
    asked = dict.fromkeys(name for line in lines for name in _asked(line))
    if not 0 < len(asked) <= _WIDEST:
        groups = {name.partition("/")[0] for name in MAIN}
        others = (name for name in REGISTRY if name.partition("/")[0] not in groups)
        asked = dict.fromkeys([*MAIN, *(name for name in others if REGISTRY[name].direction != "neither")])
    judged = [name for name in have if name.startswith(JUDGED) and "[" not in name]
    return [
        *(name for name in asked if name in have),
        *(name for name in judged if name not in (f"{JUDGED}n", f"{JUDGED}failed")),
    ]


def _asked(line: Line) -> list[str]:
    chosen = line.config.get("metrics") or {}
    return chosen.get("names") or chosen.get("preset") or []


def main_metrics(analysis: Analysis) -> list[str]:
    """Return the metrics of tables for people that samples were scored by: the primary, then :func:`columns`."""
    scored = [name for name in columns(analysis.lines) if name in REGISTRY]
    return list(dict.fromkeys([analysis.primary, *scored]))


def _noise_seed(line: Line) -> str:
    """The seed of the noise that a cell's edits were made from, one for all of them."""
    assert line.samples is not None
    return str(line.samples["seed"].iloc[0])
