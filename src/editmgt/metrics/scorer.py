"""The metrics of a run: those that were asked for and have their weights, and the values that they give a batch."""

import copy
import json
import math
from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from editmgt.errors import UserError
from editmgt.metrics.backbones import KINDS, Backbones
from editmgt.metrics.batch import EditBatch
from editmgt.metrics.network_weights import MissingWeights
from editmgt.metrics.registry import REGISTRY, metric_names

if TYPE_CHECKING:
    from editmgt.config.schema import Metrics


class Scorer:
    """Metrics by name (None: the default ones), with their networks loaded.

    Those whose weights cannot be had are left out, or where they are ``required`` a ``UserError``: a line each, naming the
    file and where to put it. So are an unknown name and broken weights.

    Attributes:
        names: the metrics with a value per sample, in order.
        sets: the metrics with one value for all samples.
        not_run: name -> why, for each metric that was left out.
    """

    def __init__(
        self,
        names: Iterable[str] | None = None,
        backbones: Backbones | None = None,
        required: bool = True,
    ) -> None:
        self._backbones = backbones or Backbones()
        wanted = metric_names(names)
        self.not_run = missing_weights(wanted, self._backbones)
        if self.not_run and required:
            raise UserError(
                "\n".join(f"{name} cannot be computed: {why}" for name, why in self.not_run.items())
            )
        runs = [name for name in wanted if name not in self.not_run]
        for kind in {REGISTRY[name].backbone for name in runs} - {None}:
            self._backbones.get(str(kind))  # a broken file is told before any work, not in every row
        self.names = tuple(name for name in runs if not REGISTRY[name].of_set)
        self.sets = tuple(name for name in runs if REGISTRY[name].of_set)

    def also(self, name: str) -> "Scorer":
        """Return the same scorer with one more metric, which has a value per sample and needs no network."""
        more = copy.copy(self)
        more.names = tuple(dict.fromkeys((*self.names, name)))
        return more

    def without(self, fields: Collection[str]) -> "Scorer":
        """Return the same scorer less the metrics that read any of these fields of a batch."""
        fewer = copy.copy(self)
        fewer.names = tuple(name for name in self.names if not set(fields) & set(REGISTRY[name].reads))
        return fewer

    def score(self, batch: EditBatch) -> dict[str, Tensor]:
        """Return name -> the value of each sample [B]; a ``ValueError`` for one out of the metric's range."""
        batch = replace(batch, backbones=self._backbones)
        with torch.no_grad():
            values = {name: REGISTRY[name].score(batch) for name in self.names}
        for name, values_B in values.items():
            REGISTRY[name].check(values_B)
        return values

    def set_scores(self) -> "SetScores":
        """Return an empty accumulator for :attr:`sets`."""
        return SetScores(self.sets, self._backbones)


class SetScores:
    """The distances of sets, such as FID, of the pictures it was given."""

    def __init__(self, names: Iterable[str], backbones: Backbones) -> None:
        self._specs = [REGISTRY[name] for name in names]
        self._networks = {spec.backbone: backbones.get(str(spec.backbone)) for spec in self._specs}
        self._features = {kind: (list[Tensor](), list[Tensor]()) for kind in self._networks}
        self._samples = 0

    def update(self, edited_B3HW: Tensor, reference_B3HW: Tensor) -> None:
        """Add pictures that have been scored, and their targets (sources, where there are no targets)."""
        for kind, network in self._networks.items():
            for kept, pictures in zip(self._features[kind], (edited_B3HW, reference_B3HW), strict=True):
                kept.append(network(pictures))
        self._samples += len(edited_B3HW)

    def compute(self, scored: int) -> dict[str, float]:
        """Return name -> value where there is one, else ``name/undefined`` -> ``scored``.

        There is none where not all of the ``scored`` samples were seen: a run that was resumed saw some of them
        in another process, and a distance between parts of the sets is another number.
        """
        summary: dict[str, float] = {}
        for spec in self._specs:
            value = math.nan
            if scored == self._samples > 0:
                value = float(spec.function(*map(torch.cat, self._features[spec.backbone])))
            summary |= {f"{spec.name}/undefined": scored} if math.isnan(value) else {spec.name: value}
        return summary


def missing_weights(names: Iterable[str], backbones: Backbones) -> dict[str, str]:
    """Return name -> why, for each metric whose weights are not here and cannot be fetched."""
    reasons = {}
    for name in names:
        kind = REGISTRY[name].backbone
        if kind is None:
            continue
        try:
            backbones.files(kind)
        except MissingWeights as error:
            reasons[name] = str(error)
    return reasons


def chosen(metrics: "Metrics") -> tuple[str, ...]:
    """Return the metrics that a ``metrics`` configuration asks for: ``names``, else ``preset``, else the default."""
    return metric_names(metrics.preset if metrics.names is None else metrics.names)


def scorer_of(metrics: "Metrics") -> Scorer:
    """Return the scorer of a ``metrics`` configuration; equal ones share it, and with it the networks."""
    return _scorer(metrics.model_dump_json())


def identity(metrics: "Metrics") -> dict[str, Any]:
    """Return what decides the metrics' values, for a protocol fingerprint.

    The names, each with what it measures in words (which border, which reference); and for each network that they look
    through its settings and the hash of its weights (None where they cannot be had: those metrics do not run), wherever
    the weights lie.
    """
    wanted = chosen(metrics)
    kinds = sorted({str(REGISTRY[name].backbone) for name in wanted if REGISTRY[name].backbone})
    backbones = _backbones(_settings(metrics))
    definitions = {name: REGISTRY[name].description for name in wanted}
    return {
        "names": list(wanted),
        "definitions": definitions,
        "backbones": {kind: backbones.identity(kind) for kind in kinds},
    }


@lru_cache(maxsize=1)
def _scorer(config_json: str) -> Scorer:
    from editmgt.config.schema import Metrics

    metrics = Metrics.model_validate_json(config_json)
    return Scorer(chosen(metrics), _backbones(_settings(metrics)), required=metrics.names is not None)


@lru_cache(maxsize=1)
def _backbones(settings_json: str) -> Backbones:
    return Backbones(json.loads(settings_json))


def _settings(metrics: "Metrics") -> str:
    return metrics.model_dump_json(include={*KINDS})
