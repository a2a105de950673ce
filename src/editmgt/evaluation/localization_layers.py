"""Which map knows where an edit belongs, layer by layer and source by source, and from which score on: one recorded pass tells.

Shapes: B batch, S steps, L layers, h w cells, H W pixels.
"""

import io
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import isotonic_regression
from torch import Tensor

from editmgt.data.sample import EditSample, Samples
from editmgt.editing import Editor, EditResult, EditSettings
from editmgt.editing.attention_map import score_maps
from editmgt.editing.smoothings import SMOOTHINGS
from editmgt.evaluation.faults import by_machine
from editmgt.evaluation.scoring import Group, kind
from editmgt.files import write_atomic
from editmgt.metrics.localization import (
    localization_auc,
    localization_iou,
    localization_iou_best,
    pointing_game,
    reliability,
)
from editmgt.results.run_directory import SAMPLES
from editmgt.spreadsheet import to_csv

BINS = 10  # of the reliability curve
FINE = 10  # parts of a bin, for the calibrated threshold
_RESAMPLES = 1000
_CURVES = 4  # choices with the highest AUC that are drawn beside the settings' own
_MEASURES = ("auc", "iou_best", "pointing")


@dataclass
class Choice:
    """One way to make the map, and what was measured of it, sample by sample."""

    source: str  # attention, or one of the model's own predictions, which reads no layer and is not smoothed
    layers: tuple[int, ...] = ()
    smoothing: str = ""
    values: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    # scores, pixels in the mask, pixels; by bin, see :func:`editmgt.metrics.localization.reliability`
    sums: Tensor = field(default_factory=lambda: torch.zeros(3, BINS * FINE, dtype=torch.float64))

    @property
    def name(self) -> str:
        """``layer 3`` or ``layers 1+2``, and the smoothing; or the source."""
        if not self.layers:
            return self.source
        listed = "+".join(map(str, self.layers))
        return f"{'layer' if len(self.layers) == 1 else 'layers'} {listed}, {self.smoothing}"

    def scores_of(self, edits: EditResult) -> Tensor:
        """Return the maps [B,h,w] in [0, 1] of edits that were recorded: the mean over steps."""
        if not self.layers:
            return torch.stack(list(edits.code_maps[self.source])).mean(dim=1)
        maps_BSLhw = torch.stack(list(edits.layer_maps))
        return score_maps(maps_BSLhw[:, :, list(self.layers)], self.smoothing)

    def mean(self, measure: str) -> tuple[float, float, float, int]:
        """Return the mean over samples where it is defined, a 95% bootstrap interval over samples, and n."""
        values = np.array(self.values[measure])
        defined = values[~np.isnan(values)]
        if not len(defined):
            return math.nan, math.nan, math.nan, 0
        rng = np.random.default_rng(0)
        means = rng.choice(defined, (_RESAMPLES, len(defined))).mean(axis=1)
        low, high = np.quantile(means, [0.025, 0.975])
        return float(defined.mean()), float(low), float(high), len(defined)

    @property
    def curve(self) -> tuple[Tensor, Tensor]:
        """The reliability curve: of every bin of scores its mean score and the share of its pixels in the mask; NaN of none."""
        scores, hits, counts = self.sums.unflatten(1, (BINS, FINE)).sum(dim=2)
        return scores / counts, hits / counts

    @property
    def calibration_error(self) -> float:
        """Mean distance of score and share of pixels that lie in the mask, over pixels, in [0, 1]."""
        scores, hits, counts = self.sums.unflatten(1, (BINS, FINE)).sum(dim=2)
        return float((scores - hits).abs().sum() / counts.sum())

    @property
    def calibrated_threshold(self) -> float:
        """The score from which on a pixel lies in the mask more likely than not, by isotonic regression; 1 where none does.

        As the regression keeps the order of scores, a hold rule that reads what it says is ``threshold`` with this value.
        """
        _, hits, counts = self.sums.numpy()
        [filled] = np.nonzero(counts)
        if not len(filled):
            return math.nan
        fitted = isotonic_regression(hits[filled] / counts[filled], weights=counts[filled]).x
        [inside] = np.nonzero(fitted > 0.5)
        return float(filled[inside[0]] / len(counts)) if len(inside) else 1.0


def study(
    editor: Editor,
    samples: Samples,
    settings: EditSettings,
    directory: Path,
    subsets: Sequence[Sequence[int]],
    thresholds: Sequence[float],
    *,
    batch_size: int = 32,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Choice]:
    """Measure attention (every layer alone, the settings' own, ``subsets``, each with every smoothing) and the other sources.

    Writes ``localization_layers.csv`` (a row per choice), ``.md`` (the table) and ``.png`` (by layer, over
    thresholds, and the reliability curve). Samples without an edit mask, or that cannot be edited, are left out;
    n says how many were measured. What is chosen by them should be chosen on the dev split.

    Args:
        settings: of the edits; with hold on, the recorded maps are those of edits under the settings' own hold.
        subsets: layers that are averaged together.
        thresholds: lambdas, in [0, 1], for the curves of IoU and of the share of pixels that are free.
        progress: called with (samples done, samples in all).
    """
    blocks = range(editor.transformer.num_blocks)
    sets = dict.fromkeys([*((layer,) for layer in blocks), settings.layers, *map(tuple, subsets)])
    choices = [Choice("attention", layers, smoothing) for layers in sets for smoothing in SMOOTHINGS]
    choices += map(Choice, editor.code_sources(settings))
    unknown = broken = 0  # samples that are left out

    def attempt(group: list[EditSample]) -> int:
        """Measure a group, one by one where that fails; return how many of it could not be measured."""
        try:
            _measure(Group(group, editor, settings.resolution), settings, seed, choices, thresholds)
        except Exception as error:  # as in an evaluation, this is the sample's failure alone
            if len(group) == 1 and by_machine(error):
                raise  # no row would say that it is to be done again
            return 1 if len(group) == 1 else sum(attempt([sample]) for sample in group)
        return 0

    for start in range(0, len(samples), batch_size):
        groups: dict[Any, list[EditSample]] = defaultdict(list)
        for index in range(start, min(start + batch_size, len(samples))):
            try:
                sample = samples[index]
            except Exception:  # its row of samples.csv says what is wrong with it
                broken += 1
                continue
            if sample.edit_mask is None or sample.before:
                unknown += 1
            else:
                groups[kind(sample)].append(sample)
        broken += sum(attempt(group) for group in groups.values())
        progress(min(start + batch_size, len(samples)), len(samples))
    write_atomic(directory / "localization_layers.csv", _csv(choices, thresholds))
    coverage = _coverage(len(samples), unknown, broken)
    write_atomic(directory / "localization_layers.md", _markdown(choices, thresholds) + coverage)
    write_atomic(directory / "localization_layers.png", _figure(choices, settings, thresholds))
    return choices


def _measure(
    group: Group, settings: EditSettings, seed: int, choices: Sequence[Choice], thresholds: Sequence[float]
) -> None:
    result = group.editor.edit(
        group.source,
        [sample.instruction for sample in group.samples],
        sample_ids=[sample.sample_id for sample in group.samples],
        seed=seed,
        batch_size=len(group.samples),
        record_layers=range(group.editor.transformer.num_blocks),
        record_sources=group.editor.code_sources(settings),
        **settings.to_dict(),
    )
    mask_BHW = torch.tensor(np.stack([np.asarray(mask) for mask in group.masks]))
    measured = []
    for choice in choices:
        scores_Bhw = choice.scores_of(result)
        found = {
            "auc": localization_auc(scores_Bhw, mask_BHW),
            "iou_best": localization_iou_best(scores_Bhw, mask_BHW),
            "pointing": pointing_game(scores_Bhw, mask_BHW),
        }
        for threshold in thresholds:
            found[f"iou@{threshold:g}"] = localization_iou(scores_Bhw, mask_BHW, threshold)
        measured.append((found, reliability(scores_Bhw, mask_BHW, BINS * FINE)))
    # only now, so that a group that fails has left nothing behind when its samples are tried one by one
    for choice, (found, sums) in zip(choices, measured, strict=True):
        for measure, values in found.items():
            choice.values[measure] += values.tolist()
        choice.sums += sums


def _csv(choices: Sequence[Choice], thresholds: Sequence[float]) -> str:
    rows: list[dict[str, object]] = []
    for choice in choices:
        layers = "+".join(map(str, choice.layers))
        row: dict[str, object] = {"source": choice.source, "layers": layers, "smoothing": choice.smoothing}
        for measure in _MEASURES:
            names = [f"{measure}/{end}" for end in ("mean", "low", "high", "n")]
            row |= dict(zip(names, choice.mean(measure), strict=True))
        row |= {name: choice.mean(name)[0] for name in (f"iou@{threshold:g}" for threshold in thresholds)}
        row["calibrated_threshold"] = choice.calibrated_threshold
        row["calibration_error"] = choice.calibration_error
        for what, values in zip(("score", "inside"), choice.curve, strict=True):
            row |= {
                f"{what}[{i / BINS:g},{(i + 1) / BINS:g})": value for i, value in enumerate(values.tolist())
            }
        rows.append(row)
    return to_csv([[*rows[0]], *([*row.values()] for row in rows)])


_HEADER = """\
| map | AUC [95%] ↑ | pointing game ↑ | best IoU ↑ | IoU at its best threshold ↑ | calibrated threshold | calibration error ↓ | n |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"""
_NOTES = """
Best AUC first. n: samples where the mask is neither empty nor full. Intervals: bootstrap over samples.
Best IoU picks each sample's threshold by its truth: an upper bound. The calibration error is how far a
score is from the share of pixels with it that lie in the mask; from the calibrated threshold on more than half do.
Choose on the dev split, report on test.
"""


def _markdown(choices: Sequence[Choice], thresholds: Sequence[float]) -> str:
    text = _HEADER
    for choice in sorted(choices, key=lambda choice: -_zero(choice.mean("auc")[0])):
        auc, low, high, n = choice.mean("auc")
        ious = [(choice.mean(f"iou@{threshold:g}")[0], threshold) for threshold in thresholds]
        best, at = max(ious, key=lambda iou: _zero(iou[0]), default=(math.nan, math.nan))
        text += (
            f"| {choice.name} | {auc:.3f} [{low:.3f}, {high:.3f}] | {choice.mean('pointing')[0]:.3f} "
            f"| {choice.mean('iou_best')[0]:.3f} | {f'{best:.3f} at {at:g}' if ious else ''} "
            f"| {choice.calibrated_threshold:.2f} | {choice.calibration_error:.3f} | {n} |\n"
        )
    return text + _NOTES


def _coverage(total: int, unknown: int, broken: int) -> str:
    left_out = []
    if broken:
        left_out.append(f"{broken} that could not be read or edited ({SAMPLES} says why)")
    if unknown:
        left_out.append(f"{unknown} without an edit mask of one edit")
    rest = f" Left out: {' and '.join(left_out)}." if left_out else ""
    return f"Measured: {total - unknown - broken} of {total} samples.{rest}\n"


def _figure(choices: Sequence[Choice], settings: EditSettings, thresholds: Sequence[float]) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4), layout="constrained")
    by_layer, over_threshold, curve = figure.subplots(1, 3)
    for smoothing in SMOOTHINGS:
        alone = [c for c in choices if len(c.layers) == 1 and c.smoothing == smoothing]
        means = [choice.mean("auc") for choice in alone]
        layers = [choice.layers[0] for choice in alone]
        errors = [[m - low for m, low, _, _ in means], [high - m for m, _, high, _ in means]]
        by_layer.errorbar(layers, [m[0] for m in means], yerr=errors, label=smoothing, capsize=2)
    by_layer.axhline(0.5, color="grey", linestyle=":", label="knows nothing")
    others = [choice for choice in choices if not choice.layers]
    for i, choice in enumerate(others, start=len(SMOOTHINGS)):
        by_layer.axhline(choice.mean("auc")[0], color=f"C{i}", linestyle="--", label=choice.name)
    by_layer.set(xlabel="layer", ylabel="AUC (95% interval)", title="each layer of attention alone")
    smoothed = [choice for choice in choices if choice.smoothing == settings.map_smoothing]
    own = [choice for choice in smoothed if choice.layers == settings.map_layers]
    best = sorted(smoothed, key=lambda choice: -_zero(choice.mean("auc")[0]))[:_CURVES]
    for choice in {choice.name: choice for choice in [*own, *best, *others]}.values():
        if thresholds:
            ious = [choice.mean(f"iou@{threshold:g}")[0] for threshold in thresholds]
            over_threshold.plot(thresholds, ious, marker=".", label=choice.name)
        curve.plot(*choice.curve, marker=".", label=choice.name)
    over_threshold.set(xlabel="threshold (lambda)", ylabel="IoU", title="the region hold leaves free")
    curve.plot([0, 1], [0, 1], color="grey", linestyle=":")
    curve.set(
        xlabel="score", ylabel="share of pixels in the mask", title="reliability", xlim=(0, 1), ylim=(0, 1)
    )
    for axes in (by_layer, over_threshold, curve):
        axes.legend(fontsize=7)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value
