"""What an edit is judged by: per-sample functions, distances of sets, and the registry of names."""

from importlib import import_module
from pkgutil import iter_modules

from editmgt.metrics.backbones import Backbones
from editmgt.metrics.batch import EditBatch
from editmgt.metrics.clip import CLIP, clip_direction, clip_image_similarity, clip_text_similarity
from editmgt.metrics.dino import DINO, dino_similarity, structure_distance
from editmgt.metrics.distribution import Inception, SetDistance, fid, kid
from editmgt.metrics.image import all_pixels, l1, l2, psnr, ssim
from editmgt.metrics.localization import (
    held_fraction,
    localization_auc,
    localization_iou,
    localization_iou_best,
)
from editmgt.metrics.network_weights import MissingWeights
from editmgt.metrics.perceptual import LPIPSNetwork, lpips_distance
from editmgt.metrics.registry import REGISTRY, MetricSpec, metric, metric_names
from editmgt.metrics.scorer import Scorer, SetScores, chosen, identity, missing_weights, scorer_of
from editmgt.metrics.success import UNTOUCHED, changed_outside, edit_ratio, edit_success, edit_success_strict

__all__ = [
    "CLIP",
    "DINO",
    "REGISTRY",
    "UNTOUCHED",
    "Backbones",
    "EditBatch",
    "Inception",
    "LPIPSNetwork",
    "MetricSpec",
    "MissingWeights",
    "Scorer",
    "SetDistance",
    "SetScores",
    "all_pixels",
    "changed_outside",
    "chosen",
    "clip_direction",
    "clip_image_similarity",
    "clip_text_similarity",
    "dino_similarity",
    "edit_ratio",
    "edit_success",
    "edit_success_strict",
    "fid",
    "held_fraction",
    "identity",
    "kid",
    "l1",
    "l2",
    "localization_auc",
    "localization_iou",
    "localization_iou_best",
    "lpips_distance",
    "metric",
    "metric_names",
    "missing_weights",
    "psnr",
    "scorer_of",
    "ssim",
    "structure_distance",
]

for _module in sorted(module.name for module in iter_modules(__path__)):
    import_module(f"{__name__}.{_module}")  # each registers its metrics
