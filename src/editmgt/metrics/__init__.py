"""What an edit is judged by: per-sample functions, distances of sets, and the registry of names."""

from importlib import import_module
from pkgutil import iter_modules

from editmgt.metrics.backbones import Backbones
from editmgt.metrics.batch import EditBatch
from editmgt.metrics.localization import localization_auc
from editmgt.metrics.registry import REGISTRY, metric_names
from editmgt.metrics.scorer import Scorer, SetScores, chosen, identity, missing_weights, scorer_of
from editmgt.metrics.success import UNTOUCHED, edit_ratio

__all__ = [
    "REGISTRY",
    "UNTOUCHED",
    "Backbones",
    "EditBatch",
    "Scorer",
    "SetScores",
    "chosen",
    "edit_ratio",
    "identity",
    "localization_auc",
    "metric_names",
    "missing_weights",
    "scorer_of",
]

for _module in sorted(module.name for module in iter_modules(__path__)):
    import_module(f"{__name__}.{_module}")  # each registers its metrics
