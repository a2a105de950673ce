"""The picture distances as metrics: each over the whole picture, inside the edit mask, and outside of it.

Shapes: B batch, 3 RGB, H W pixels.
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor

from editmgt.metrics.image import all_pixels, l1, l2, psnr, ssim, ssim_inner
from editmgt.metrics.perceptual import lpips_distance
from editmgt.metrics.registry import metric

# group -> (in words, what is read)
_REGIONS = {
    "whole": ("edited against target, over the whole picture", ("edited", "target")),
    "source": ("edited against source, over the whole picture", ("edited", "source")),
    "inside": ("edited against target, inside the edit mask", ("edited", "target", "edit_mask")),
    "outside": (
        "edited against source, outside the edit mask (an exact mask, as that of scenes, holds all of the "
        "pixels where source and target differ, so this is the target too)",
        ("edited", "source", "outside"),
    ),
    "outside_codec": (
        "edited against the codec's round trip of the source, outside the edit mask: what the editor "
        "changed, without what the codec loses",
        ("edited", "source_codec", "outside"),
    ),
    "outside_all": (
        "edited against source, both black inside the edit mask, over all pixels: its value depends on the "
        "mask's area, so it is for comparing with published numbers",
        ("edited", "source", "outside"),
    ),
}


def _register(group: str, what: str, reads: tuple[str, ...]) -> None:
    by_area, default = group != "outside_all", group not in ("source", "outside_all")
    empty = "" if len(reads) == 2 else "; not defined where the region is empty"

    def over(distance: Callable[..., Tensor]) -> Callable[..., Tensor]:
        return distance if by_area else all_pixels(distance)

    lower = partial(metric, direction="lower", low=0, reads=reads)
    higher = partial(metric, direction="higher", reads=reads, default=default)
    magicbrush = "MagicBrush, evaluation/image_eval.py (whole picture)"
    background = "PIE-Bench (background)" + (", here over the region's own area" if by_area else "")
    if by_area:
        description = f"mean absolute difference, {what}{empty}"
        lower(f"{group}/l1", high=1, description=description, source=magicbrush, default=default)(l1)
    lower(
        f"{group}/l2",
        high=1,
        description=f"mean squared difference, {what}{empty}",
        source=f"{magicbrush}; {background}",
        default=False,
    )(over(l2))
    higher(
        f"{group}/psnr",
        unit="dB",
        low=0,
        high=None,
        description=f"peak signal-to-noise, {what}; not defined where the region is empty or equal (infinite)",
        source=background,
    )(over(psnr))
    # The protocol is of 2023 and pins no torchmetrics; what there was then, up to 1.4.1, left the border out.
    border = "with its border mirrored" if by_area else "without the 5 pixels of its border"
    higher(
        f"{group}/ssim",
        low=-1,
        high=1,
        description=f"structural similarity map (11x11 Gaussian, sigma 1.5) averaged, {border}, {what}{empty}",
        source=f"Wang et al. 2004; {background}" + ("" if by_area else ", with torchmetrics up to 1.4.1"),
    )(over(ssim if by_area else ssim_inner))
    smallest = "not defined for a side of fewer pixels than the net needs"
    lower(
        f"{group}/lpips",
        high=None,
        description=f"LPIPS of metrics.lpips.net, {what}; {smallest}{empty[1:]}",
        source=f"Zhang et al. 2018; {background}",
        backbone="lpips",
        default=False,
    )(over(lpips_distance))


for _group, (_what, _reads) in _REGIONS.items():
    _register(_group, _what, _reads)
