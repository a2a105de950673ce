"""From the scores of cells to effects: paired on samples and noise seeds, complete cases, everything counted."""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from editmgt.analysis.contrasts import Contrast, Design, Levels
from editmgt.analysis.statistics import Array, holm, paired_means, win_rate

Seed = Hashable  # of a training; None where nothing was trained
# What makes two rows of two cells the same sample; the noise seed is ``seed``.
KEY = ["sample_id", "source_id", "edit_type", "instruction", "seed"]
MAP_SOURCE = "model.localization.source"
_FEW = 10  # samples that differ; fewer leave a t interval of a 0/1 score approximate
_ROUNDING = 1e-12  # of the values in a weighted sum: what is left where they cancel


class Metric(Protocol):
    """What has to be known of a metric."""

    @property
    def direction(self) -> Literal["higher", "lower", "neither"]:
        """Which is better."""

    @property
    def reads(self) -> Collection[str]:
        """The parts of an edit that it is taken from; ``localization`` is the map."""


@dataclass(frozen=True)
class Summary:
    """A mean with its 95% interval over seeds and images; what cannot be told is NaN.

    Attributes:
        n: samples (pairs of a sample and a noise seed) that are complete in every cell and seed used.
        images: source images among them.
        failed, undefined, absent: samples left out, by the first reason that applies.
        seeds: training seeds used.
        seeds_left_out: training seeds for which a cell is missing.
    """

    estimate: float = np.nan
    low: float = np.nan
    high: float = np.nan
    p: float = np.nan
    sd_seed: float = np.nan
    sd_image: float = np.nan
    sd_noise: float = np.nan
    n: int = 0
    images: int = 0
    failed: int = 0
    undefined: int = 0
    absent: int = 0
    seeds: tuple[Seed, ...] = ()
    seeds_left_out: tuple[Seed, ...] = ()


@dataclass(frozen=True)
class Effect:
    """A contrast on a metric.

    Attributes:
        win_rate: share of the paired samples that the changed cell wins, ties counted half; NaN for an
            interaction and for a metric without a better direction.
        p_corrected: p after Holm's correction over the family, the effects of one metric and one kind of
            question (:func:`family`).
        missing: cells that it needs and that no seed has.
        note: what to know when reading it.
    """

    contrast: Contrast
    metric: str
    summary: Summary
    win_rate: float = np.nan
    p_corrected: float = np.nan
    missing: tuple[Levels, ...] = ()
    note: str = ""


def family(contrast: Contrast) -> str:
    """Return ``comparisons`` (cells with the baseline) or ``effects`` (of factors): corrected apart."""
    return "comparisons" if contrast.kind == "comparison" else "effects"


@dataclass(frozen=True)
class Rows:
    """A cell's rows, in the order of the samples [N] of all cells.

    Attributes:
        columns: metric -> its values; NaN where it failed, is not defined or is absent.
        failed: samples that could not be edited or scored.
        absent: samples without a row.
    """

    columns: Mapping[str, Array]
    failed: NDArray[np.bool_]
    absent: NDArray[np.bool_]


class Scores:
    """The scores of every finished cell, aligned by sample.

    Args:
        frames: (levels, training seed) -> a row per sample, with the columns of ``KEY``, ``status`` and metrics.
        design: the factors whose levels these are.
        metrics: every metric that a column may hold, by name.
    """

    def __init__(
        self,
        frames: Mapping[tuple[Levels, Seed], pd.DataFrame],
        design: Design,
        metrics: Mapping[str, Metric],
    ) -> None:
        self.design, self._known = design, metrics
        keyed = {
            cell: list(zip(*(frame[key].tolist() for key in KEY), strict=True))
            for cell, frame in frames.items()
        }
        keys = list(dict.fromkeys(key for found in keyed.values() for key in found))
        position = {key: i for i, key in enumerate(keys)}
        self.samples = pd.MultiIndex.from_tuples(keys, names=KEY)
        self.frames = {
            cell: _rows(
                frame, metrics, np.array([position[key] for key in keyed[cell]], dtype=int), len(keys)
            )
            for cell, frame in frames.items()
        }
        self.seeds: tuple[Seed, ...] = tuple(dict.fromkeys(seed for _, seed in frames))
        self.metrics = [name for name in metrics if any(name in f.columns for f in self.frames.values())]
        self._designs: dict[str, Design] = {}

    @cached_property
    def sources(self) -> np.ndarray:
        """The source image of each sample [N]; a sample without one is its own."""
        columns = self.samples.to_frame(index=False)
        return columns["source_id"].where(columns["source_id"] != "", "#" + columns["sample_id"]).to_numpy()

    @cached_property
    def source_codes(self) -> NDArray[np.int64]:
        """A number for each source image, at each of its samples [N]."""
        return pd.factorize(self.sources)[0]

    @cached_property
    def edit_types(self) -> np.ndarray:
        """The edit type of each sample [N]."""
        return self.samples.get_level_values("edit_type").to_numpy()

    def sign(self, metric: str) -> int:
        """Return 1 where higher is better, -1 where lower is, 0 where neither."""
        return {"higher": 1, "lower": -1, "neither": 0}[self._known[metric].direction]

    def frame(self, levels: Levels, seed: Seed, design: Design) -> Rows | None:
        """Return a cell's rows, or those of one that differs only in what does not act there."""
        if (levels, seed) in self.frames:
            return self.frames[levels, seed]
        wanted = design.canonical(levels)
        return next(
            (f for (other, s), f in self.frames.items() if s == seed and design.canonical(other) == wanted),
            None,
        )

    def values(self, frame: Rows, metric: str) -> Array:
        """Return a metric of each sample [N]; NaN where it failed, is not defined or is absent."""
        found = frame.columns.get(metric)
        return np.full(len(frame.absent), np.nan) if found is None else found

    def design_for(self, metric: str) -> Design:
        """Return the design that holds for this metric: a factor that acts directly on it is nested nowhere.

        Consolidation changes pictures only through region hold, but the map with hold off too, where that is of attention:
        each condition is looked at alone.
        """
        if metric not in self._designs:
            through = self.design.acts_through
            kept = {
                key: {other: gates[other] for other in gates if not self._acts(metric, key, other)}
                for key, gates in through.items()
            }
            self._designs[metric] = replace(
                self.design, acts_through={key: gates for key, gates in kept.items() if gates}
            )
        return self._designs[metric]

    def _acts(self, metric: str, key: str, other: str) -> bool:
        """Whether a factor moves the metric where ``other`` should keep it from that; unknown: whether it reads the map."""
        design = self.design
        position = [factor.key for factor in design.factors].index(key)
        gates = design.gates(key)
        own = {other, *design.gates(other).keys() - design.acts_through[key].keys()}
        compared = False
        for (levels, seed), frame in self.frames.items():
            at = {factor.key: level for factor, level in zip(design.factors, levels, strict=True)}
            idle = {gate for gate, acting in gates.items() if at[gate] not in acting}
            twin = (*levels[:position], 0, *levels[position + 1 :])
            if levels != twin and idle and idle <= own and (twin, seed) in self.frames:
                ours, theirs = (self.values(f, metric) for f in (frame, self.frames[twin, seed]))
                both = np.isfinite(ours) & np.isfinite(theirs)
                compared = compared or bool(both.any())
                if not np.allclose(ours[both], theirs[both], rtol=1e-9, atol=1e-12):
                    return True
        # what no map is made of moves none, whatever reads it
        return not compared and "localization" in self._known[metric].reads and other != MAP_SOURCE


def summarise_all(
    scores: Scores, asked: Sequence[tuple[Mapping[Levels, float], NDArray[np.bool_] | None]], metric: str
) -> list[tuple[Summary, Array]]:
    """Return the weighted sum of cells of each (weights, only), and the values that it was taken over [cells, S, n].

    Only seeds that have all of the cells count, and of the samples (those of the mask ``only`` [N]) the ones
    that are defined in all of them. Asked together, sums take a fraction of the time that one by one takes.
    """
    summaries, by_image = [], {}
    for i, (weights, only) in enumerate(asked):
        summary, y, complete = _complete(scores, weights, metric, only)
        summaries.append((summary, y))
        if summary.n:
            differences = _weighted(weights, y)
            codes, _ = pd.factorize(scores.source_codes[complete])
            sizes = np.bincount(codes)
            by_image[i] = np.stack([np.bincount(codes, weights=row) / sizes for row in differences]), sizes
    for (i, (_, sizes)), mean in zip(by_image.items(), paired_means([*by_image.values()]), strict=True):
        numbers: dict[str, Any] = {
            name: float(getattr(mean, name))
            for name in ("estimate", "low", "high", "p", "sd_seed", "sd_image", "sd_noise")
        }
        summaries[i] = replace(summaries[i][0], images=len(sizes), **numbers), summaries[i][1]
    return summaries


def estimate(scores: Scores, contrasts: Sequence[Contrast], metric: str) -> list[Effect]:
    """Return each contrast's effect on a metric, corrected within its family."""
    found = summarise_all(scores, [(contrast.weights, None) for contrast in contrasts], metric)
    effects = [_effect(scores, contrast, metric, *of) for contrast, of in zip(contrasts, found, strict=True)]
    for name in ("effects", "comparisons"):
        members = [i for i, effect in enumerate(effects) if family(effect.contrast) == name]
        corrected = holm([effects[i].summary.p for i in members])
        for i, p in zip(members, corrected, strict=True):
            effects[i] = replace(effects[i], p_corrected=float(p))
    return effects


def _rows(frame: pd.DataFrame, names: Iterable[str], places: NDArray[np.int_], size: int) -> Rows:
    """A cell's rows, each at its place among ``size`` samples."""

    def placed(values: NDArray[Any], empty: Any) -> NDArray[Any]:
        column = np.full(size, empty)
        column[places] = values
        return column

    columns = {
        name: placed(frame[name].to_numpy(dtype=np.float64), np.nan) for name in names if name in frame
    }
    failed = placed((frame["status"] == "failed").to_numpy(), False)
    return Rows(columns, failed, placed(np.zeros(len(places), bool), True))


def _weighted(weights: Mapping[Levels, float], y: Array) -> Array:
    """The weighted sum [S, n] of cells; 0 where only rounding is left, in which tests would find an effect."""
    w = np.array(list(weights.values()))
    total, size = np.tensordot(w, y, axes=1), np.tensordot(np.abs(w), np.abs(y), axes=1)
    return np.where(np.abs(total) > _ROUNDING * size, total, 0.0)


def _complete(
    scores: Scores, weights: Mapping[Levels, float], metric: str, only: NDArray[np.bool_] | None
) -> tuple[Summary, Array, NDArray[np.bool_]]:
    """Counts, the values [cells, S, n] of the samples that are complete, and which of all [N] these are."""
    design = scores.design_for(metric)
    by_seed = {seed: [scores.frame(cell, seed, design) for cell in weights] for seed in scores.seeds}
    rows = {
        seed: [frame for frame in frames if frame is not None]
        for seed, frames in by_seed.items()
        if all(frame is not None for frame in frames)
    }
    left_out = tuple(seed for seed in scores.seeds if seed not in rows)
    if not rows:
        nothing = np.zeros(len(scores.samples), bool)
        return Summary(seeds_left_out=left_out), np.empty((len(weights), 0, 0)), nothing
    y = np.stack([[scores.values(frame, metric) for frame in found] for found in rows.values()], axis=1)
    used = [frame for found in rows.values() for frame in found]
    failed = np.logical_or.reduce([frame.failed for frame in used])
    absent = np.logical_or.reduce([frame.absent for frame in used])
    chosen = np.ones(y.shape[-1], bool) if only is None else only
    complete = np.isfinite(y).all((0, 1)) & chosen
    lost = chosen & ~complete
    counts = {
        "n": int(complete.sum()),
        "failed": int((lost & failed).sum()),
        "absent": int((lost & absent & ~failed).sum()),
        "undefined": int((lost & ~failed & ~absent).sum()),
    }
    return Summary(**counts, seeds=tuple(rows), seeds_left_out=left_out), y[..., complete], complete


def _effect(scores: Scores, contrast: Contrast, metric: str, summary: Summary, y: Array) -> Effect:
    design = scores.design_for(metric)
    missing = tuple(
        cell
        for cell in contrast.weights
        if all(scores.frame(cell, seed, design) is None for seed in scores.seeds)
    )
    if not summary.n:
        why = "cells are missing" if not summary.seeds else "no sample is scored in all of its cells"
        return Effect(contrast, metric, summary, missing=missing, note=why)
    position = {levels: i for i, levels in enumerate(contrast.weights)}
    pairs = [(position[a], position[b]) for a, b in contrast.pairs(design)]
    differences = np.stack([y[a] - y[b] for a, b in pairs]) if pairs else _weighted(contrast.weights, y)
    sign = scores.sign(metric)
    wins = win_rate(sign * differences) if pairs and sign else np.nan
    differing = int((differences != 0).any(tuple(range(differences.ndim - 1))).sum())
    return Effect(contrast, metric, summary, win_rate=wins, note=_note(summary, y, differing))


def _note(summary: Summary, y: Array, differing: int) -> str:
    if not differing:
        return "no sample differs"
    if summary.images < 2 and len(summary.seeds) < 2:
        return "one image and one seed: no interval"
    if not np.isfinite(summary.low):
        return "all differences are equal: no interval"
    if differing < _FEW and np.isin(y, (0, 1)).all():
        few = "1 sample differs" if differing == 1 else f"{differing} samples differ"
        return f"only {few}: the interval is approximate"
    return ""
