"""Everything that can be chosen about an edit once the weights are fixed."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

from editmgt import limits
from editmgt.editing.localization import SMOOTHINGS
from editmgt.errors import UserError, nearest

SCHEDULES = ("cosine", "linear")
SCOPES = ("all", "image")
_LIMITS = {
    "steps": limits.STEPS,
    "guidance_scale": limits.GUIDANCE,
    "reference_strength": limits.REFERENCE_STRENGTH,
    "temperature": limits.TEMPERATURE,
    "resolution": limits.RESOLUTION,
}


@dataclass(frozen=True)
class EditSettings:
    """Settings of an edit; the defaults are the published ones for the released 1 B weights.

    Attributes:
        steps: sampling steps, at least 1.
        guidance_scale: classifier-free guidance; up to 1 the unconditional pass is skipped.
        temperature: scale of the noise in the choice of tokens to mask again, first and last step.
        schedule: how fast tokens are committed, ``cosine`` or ``linear``.
        reference_strength: gamma, how much the reference image is heard; 0 removes it, 1 is neutral.
        reference_strength_scope: ``all`` (as published: text hears it too) or ``image`` (the paper's).
        region_hold: whether tokens under ``hold_threshold`` take the reference's code.
        hold_threshold: lambda, in [0, 1]; 0 holds nothing.
        consolidation: attention averaged over ``layers`` and smoothed, or one raw layer.
        layers: blocks that are averaged, double blocks counted first.
        single_layer: the block that is read where nothing is averaged.
        average: overrides consolidation's averaging alone.
        smoothing: overrides consolidation's smoothing alone, ``adaptive``, ``gaussian`` or ``none``.
        resolution: an edit works on about resolution^2 pixels, whatever the aspect ratio.
        negative_prompt: text of the unconditional pass.
    """

    steps: int = 36
    guidance_scale: float = 6.0
    temperature: tuple[float, float] = (2.0, 0.0)
    schedule: str = "cosine"
    reference_strength: float = 1.1
    reference_strength_scope: str = "all"
    region_hold: bool = True
    hold_threshold: float = 0.1
    consolidation: bool = True
    layers: tuple[int, ...] = tuple(range(28, 37))
    single_layer: int = 32
    average: bool | None = None
    smoothing: str | None = None
    resolution: int = 1024
    negative_prompt: str = ""

    @property
    def averaged(self) -> bool:
        """Whether the map is a mean over ``layers``."""
        return self.consolidation if self.average is None else self.average

    @property
    def map_layers(self) -> tuple[int, ...]:
        """Blocks whose attention the map is made of."""
        return self.layers if self.averaged else (self.single_layer,)

    @property
    def map_smoothing(self) -> str:
        """Name of the filter the map goes through."""
        return self.smoothing or ("adaptive" if self.consolidation else "none")

    def override(self, **changes: Any) -> Self:
        """Return a copy with some settings changed; an unknown name is a ``UserError``."""
        known = [field.name for field in fields(self)]
        unknown = [
            f"There is no edit setting '{name}'.{nearest(name, known)}"
            for name in changes
            if name not in known
        ]
        if unknown:
            raise UserError(" ".join(unknown))
        lists = {name: tuple(value) for name, value in changes.items() if isinstance(value, list)}
        return replace(self, **(changes | lists))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from JSON values; names that are left out keep their defaults."""
        return cls().override(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}


def validate(settings: EditSettings, num_blocks: int | None = None, multiple: int = 1) -> None:
    """Raise one ``UserError`` that lists everything wrong with ``settings``.

    ``num_blocks`` is the transformer's number of blocks (None: not known yet, layers are only checked to be
    counted from 0); ``multiple`` is the number of pixels per cell, which ``resolution`` must be divisible by.
    """
    problems = [
        *_number_problems(settings),
        *_choice_problems(settings),
        *_layer_problems(settings, num_blocks),
    ]
    if not _is_integer(settings.resolution) or settings.resolution < 1 or settings.resolution % multiple:
        near = (
            max(1, round(settings.resolution / multiple)) * multiple
            if _is_number(settings.resolution)
            else multiple
        )
        problems.append(
            f"resolution={settings.resolution} must be a positive multiple of {multiple}, such as {near}"
        )
    if problems:
        raise UserError("Edit settings: " + "; ".join(problems) + ".")


def check_guidance(
    settings: EditSettings, names: tuple[str, str] = ("negative_prompt", "guidance_scale")
) -> None:
    """Raise a ``UserError`` where a negative prompt was asked for that nothing leads away from.

    ``names`` are how the user calls the two settings.
    """
    if settings.guidance_scale <= 1:
        raise UserError(
            f"{names[0]} has no effect without guidance: {names[1]} {settings.guidance_scale:g} must be more than 1."
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number_problems(settings: EditSettings) -> list[str]:
    problems = []
    if not _is_integer(settings.steps) or settings.steps < 1:
        problems.append(f"steps={settings.steps} must be a whole number of at least 1")
    for name, limit in _LIMITS.items():
        value = getattr(settings, name)
        largest = max(value, default=0) if isinstance(value, tuple) and all(map(_is_number, value)) else value
        if _is_number(largest) and largest > limit.most:
            problems.append(f"{name}={value} {limit.rule}")
    for name in ("guidance_scale", "reference_strength"):
        value = getattr(settings, name)
        if not _is_number(value) or value < 0:
            problems.append(f"{name}={value} must be a finite number of at least 0")
    if not _is_number(settings.hold_threshold) or not 0 <= settings.hold_threshold <= 1:
        problems.append(f"hold_threshold={settings.hold_threshold} must lie in [0, 1]")
    temperature = settings.temperature
    pair = isinstance(temperature, tuple) and len(temperature) == 2
    if not pair or not all(_is_number(value) and value >= 0 for value in temperature):
        problems.append(f"temperature={temperature} must be two numbers of at least 0, first and last")
    return problems


def _choice_problems(settings: EditSettings) -> list[str]:
    problems = []
    for name, choices in (
        ("schedule", SCHEDULES),
        ("reference_strength_scope", SCOPES),
        ("smoothing", (None, *SMOOTHINGS)),
    ):
        value = getattr(settings, name)
        if value not in choices:
            words = [choice for choice in choices if choice]
            problems.append(f"{name}={value} must be one of {', '.join(words)}{nearest(value, words)}")
    for name, booleans in (
        ("region_hold", (True, False)),
        ("consolidation", (True, False)),
        ("average", (True, False, None)),
    ):
        value = getattr(settings, name)
        if not any(value is choice for choice in booleans):
            problems.append(f"{name}={value} must be true or false")
    if not isinstance(settings.negative_prompt, str):
        problems.append(f"negative_prompt={settings.negative_prompt!r} must be a text")
    return problems


def _layer_problems(settings: EditSettings, num_blocks: int | None) -> list[str]:
    last = math.inf if num_blocks is None else num_blocks - 1
    blocks = "blocks are counted from 0" if num_blocks is None else f"this model has blocks 0 to {last}"
    problems = []
    if not isinstance(settings.layers, tuple):
        problems.append(f"layers={settings.layers} must be a list of blocks")
    elif not settings.layers:
        problems.append("layers is empty: name at least one block")
    else:
        outside = [layer for layer in settings.layers if not _is_integer(layer) or not 0 <= layer <= last]
        if outside:
            problems.append(f"layers {outside} do not exist: {blocks}")
    if not _is_integer(settings.single_layer) or not 0 <= settings.single_layer <= last:
        problems.append(f"single_layer={settings.single_layer} does not exist: {blocks}")
    return problems
