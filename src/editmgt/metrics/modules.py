"""The metrics as torchmetrics modules: running means over samples, which count what was not defined.

Every class takes in ``update`` what its functional twin takes, for example ``L1().update(edited, target,
mask)``.
"""

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from editmgt.errors import UserError
from editmgt.metrics import image, localization, success
from editmgt.metrics.registry import REGISTRY, metric_names


class SampleMean(Metric):
    """Mean over samples of a per-sample value, over all processes.

    ``compute()`` returns the mean of the defined values, NaN when there is none, and leaves in ``defined``
    and ``undefined`` how many values (over all processes) were and were not.
    """

    is_differentiable = False
    full_state_update = False
    function: Callable[..., Tensor]

    def __init__(self, state: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # MetricCollection takes metrics for one and the same when their states have the same names and, after
        # the first batch, the same values (as success and strict success may): so each has its own names.
        self._state = re.sub(r"\W", "_", state or type(self).__name__)
        self.add_state(f"{self._state}_sum", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state(f"{self._state}_defined", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state(f"{self._state}_undefined", torch.tensor(0), dist_reduce_fx="sum")
        self.defined = self.undefined = 0

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Add a batch: the functional twin's arguments."""
        values_B = self.function(*args, **kwargs)
        missing_B = values_B.isnan()
        # in one dtype, whatever the batch's: the processes' sums must have the same size
        self._add("sum", values_B.masked_fill(missing_B, 0).sum().to(self._get("sum").dtype))
        self._add("defined", (~missing_B).sum())
        self._add("undefined", missing_B.sum())

    def compute(self) -> Tensor:
        """Return the mean of the defined values, NaN when there is none."""
        defined = self._get("defined")
        self.defined, self.undefined = int(defined), int(self._get("undefined"))
        return self._get("sum") / defined  # 0/0 is NaN

    def reset(self) -> None:
        """Forget every sample."""
        super().reset()
        self.defined = self.undefined = 0

    def _get(self, part: str) -> Tensor:
        value: Tensor = getattr(self, f"{self._state}_{part}")
        return value

    def _add(self, part: str, value: Tensor) -> None:
        setattr(self, f"{self._state}_{part}", self._get(part) + value)


class L1(SampleMean):
    """Mean absolute difference, of whole pictures or over a region."""

    higher_is_better = False
    function = staticmethod(image.l1)


class L2(SampleMean):
    """Mean squared difference, of whole pictures or over a region."""

    higher_is_better = False
    function = staticmethod(image.l2)


class PSNR(SampleMean):
    """Mean over samples of the peak signal-to-noise ratio in dB, of whole pictures or over a region."""

    higher_is_better = True
    function = staticmethod(image.psnr)


class SSIM(SampleMean):
    """Structural similarity, of whole pictures or over a region."""

    higher_is_better = True
    function = staticmethod(image.ssim)


class EditRatio(SampleMean):
    """How far from the target the edit ended, over how far the source was."""

    higher_is_better = False
    function = staticmethod(success.edit_ratio)


class EditSuccess(SampleMean):
    """Rate of edits that came at least half of the way."""

    higher_is_better = True
    function = staticmethod(success.edit_success)


class EditSuccessStrict(SampleMean):
    """Rate of edits that came at least three quarters of the way."""

    higher_is_better = True
    function = staticmethod(success.edit_success_strict)


class ChangedOutside(SampleMean):
    """Share of the picture that was visibly changed outside the edit."""

    higher_is_better = False
    function = staticmethod(success.changed_outside)


class LocalizationAUC(SampleMean):
    """Area under the ROC curve of the map against the edit mask."""

    higher_is_better = True
    function = staticmethod(localization.localization_auc)


class LocalizationIoU(SampleMean):
    """Intersection over union of the edit mask and the map at a threshold."""

    higher_is_better = True
    function = staticmethod(localization.localization_iou)


class LocalizationIoUBest(SampleMean):
    """Intersection over union at each sample's best threshold."""

    higher_is_better = True
    function = staticmethod(localization.localization_iou_best)


class HeldFraction(SampleMean):
    """Fraction of tokens that region hold decided."""

    function = staticmethod(localization.held_fraction)


class EditMetric(SampleMean):
    """A metric of the registry by its name, one with a value per sample; ``update`` takes an ``EditBatch``."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(state=name, **kwargs)
        spec = REGISTRY[metric_names([name])[0]]
        if spec.of_set:
            raise UserError(f"{name} has no value per sample: use editmgt.metrics.FID or KID.")
        self.function = spec.score
        self.name = name


def edit_metrics(*names: str) -> MetricCollection:
    """Return the named metrics of the registry as one collection; ``update`` takes an ``EditBatch``."""
    # without compute groups, which form at the first update: a process without samples would sync others than the rest
    return MetricCollection({name: EditMetric(name) for name in metric_names(names)}, compute_groups=False)
