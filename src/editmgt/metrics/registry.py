"""The metrics by name: what each one reads, and its direction, unit, range and source, said once.

A metric is a function of one of this package's modules under :func:`metric`; a new module is found by lying there.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from editmgt.errors import UserError, nearest
from editmgt.metrics.batch import EditBatch

ROUNDING = 1e-4  # how far float32 may take a value out of its range


@dataclass(frozen=True)
class MetricSpec:
    """One metric.

    Attributes:
        name: ``group/name``.
        direction: which way is better.
        unit: of the value; ``1`` for a plain number.
        low, high: the range; an open end is None.
        description: what it measures and where it is not defined.
        source: where the definition comes from.
        function: the value of each sample [B], NaN where it is not defined.
        reads: the fields of :class:`EditBatch` that ``function`` takes, in order.
        backbone: the kind of network that ``function`` takes after them, if any.
        default: whether it is computed where no metric is asked for by name.
        of_set: whether it is one value for all samples, of the features [N,D] of what ``reads`` names; such a
            metric has no :meth:`score`, see :class:`editmgt.metrics.SetScores`.
    """

    name: str
    direction: Literal["higher", "lower", "neither"]
    low: float | None
    high: float | None
    description: str
    source: str
    function: Callable[..., Tensor]
    reads: tuple[str, ...]
    unit: str = "1"
    backbone: str | None = None
    default: bool = True
    of_set: bool = False

    def score(self, batch: EditBatch) -> Tensor:
        """Return the value of each sample [B]; NaN for all where the batch lacks what the metric reads."""
        fields = [getattr(batch, field) for field in self.reads]
        if not len(batch.edited) or any(field is None for field in fields):
            return torch.full((len(batch.edited),), torch.nan)
        network = {} if self.backbone is None else {"network": batch.backbone(self.backbone)}
        return self.function(*fields, **network)

    def check(self, values_B: Tensor) -> None:
        """Raise a ``ValueError`` for a value that is infinite or out of range by more than rounding."""
        low, high = -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high
        for value in values_B.tolist():
            if not (
                math.isnan(value) or (low - ROUNDING <= value <= high + ROUNDING and math.isfinite(value))
            ):
                raise ValueError(
                    f"{self.name} is {value:g}, which is no value of it: it lies in {self.range}"
                )

    @property
    def range(self) -> str:
        """The range in words, an open end as infinity."""
        low, high = ("infinity" if end is None else f"{end:g}" for end in (self.low, self.high))
        return f"{'-' if self.low is None else ''}{low} to {high}"


REGISTRY: dict[str, MetricSpec] = {}
_Function = TypeVar("_Function", bound=Callable[..., Tensor])


def metric(name: str, **facts: Any) -> Callable[[_Function], _Function]:
    """Register the decorated function as the metric ``name``; ``facts`` are the other fields of :class:`MetricSpec`.

    One function may be several metrics, that read different things.
    """

    def register(function: _Function) -> _Function:
        if name in REGISTRY:
            raise ValueError(f"there are two metrics {name}")
        REGISTRY[name] = MetricSpec(name, function=function, **facts)
        return function

    return register


def metric_names(names: Iterable[str] | None = None) -> tuple[str, ...]:
    """Return ``names`` (None: the default ones); an unknown one is a ``UserError``."""
    if names is None:
        return tuple(name for name, spec in REGISTRY.items() if spec.default)
    names = tuple(names)
    unknown = [f"'{name}'.{nearest(name, REGISTRY)}" for name in names if name not in REGISTRY]
    if unknown:
        raise UserError(f"Unknown metric {' Unknown metric '.join(unknown)} Known: {', '.join(REGISTRY)}.")
    return names
