"""What an edit is judged by: per-sample functions, torchmetrics modules, and the registry of names."""

from editmgt.metrics.image import l1, psnr, ssim
from editmgt.metrics.localization import (
    held_fraction,
    localization_auc,
    localization_iou,
    localization_iou_best,
    resize_map,
)
from editmgt.metrics.modules import (
    L1,
    PSNR,
    SSIM,
    EditMetric,
    EditRatio,
    EditSuccess,
    EditSuccessStrict,
    HeldFraction,
    LocalizationAUC,
    LocalizationIoU,
    LocalizationIoUBest,
    SampleMean,
    edit_metrics,
)
from editmgt.metrics.registry import REGISTRY, EditBatch, MetricSpec, metric_names
from editmgt.metrics.success import edit_ratio, edit_success, edit_success_strict

__all__ = [
    "L1",
    "PSNR",
    "REGISTRY",
    "SSIM",
    "EditBatch",
    "EditMetric",
    "EditRatio",
    "EditSuccess",
    "EditSuccessStrict",
    "HeldFraction",
    "LocalizationAUC",
    "LocalizationIoU",
    "LocalizationIoUBest",
    "MetricSpec",
    "SampleMean",
    "edit_metrics",
    "edit_ratio",
    "edit_success",
    "edit_success_strict",
    "held_fraction",
    "l1",
    "localization_auc",
    "localization_iou",
    "localization_iou_best",
    "metric_names",
    "psnr",
    "resize_map",
    "ssim",
]
