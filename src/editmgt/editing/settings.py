"""Everything that can be chosen about an edit once the weights are fixed."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

from editmgt import limits
from editmgt.editing.hold_rules import EVIDENCE, RULES, needs, sources
from editmgt.errors import UserError, nearest

SCHEDULES = ("cosine", "linear")
SCOPES = ("all", "image")
SMOOTHINGS = ("adaptive", "gaussian", "none")  # of an attention map, see :mod:`editmgt.editing.localization`
CODE_SOURCES = ("posterior", "guidance")  # of maps on the codes' grid
MAP_SOURCES = ("attention", *CODE_SOURCES)
HOLD_TIMES = ("every_step", "first_pass")
REUSES = ("nothing", "reference", "known")
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
        guidance_interval: part of the schedule in which there is guidance, first and last of [0, 1]; outside it the
            unconditional pass is skipped (Kynkäänniemi et al. 2024).
        matched_steps: whether sampling begins where the schedule would have as much unknown as there is, after a mask or a
            first pass, and not with step 1: fewer steps for a small edit.
        reuse: what a step takes over from earlier ones. ``nothing`` (exact). ``reference``: the keys and values of the image
            to edit. ``known``: those of all cells whose codes are known and were when they were last computed, too.
        refresh: with reuse, every so many passes compute everything, the first of them counted.
        reference_strength: gamma, how much the reference image is heard; 0 removes it, 1 is neutral.
        reference_strength_scope: ``all`` (as published: text hears it too) or ``image`` (the paper's).
        region_hold: whether tokens that ``hold_rule`` chooses by the map take the reference's code.
        hold_rule: a module of :mod:`editmgt.editing.hold_rules`.
        hold_when: ``every_step`` (published: held when committed, by that step's map) or ``first_pass`` (by one pass with
            everything masked before the first step; what it holds is known from the start, as outside a mask).
        hold_threshold: lambda of the rule ``threshold``, in [0, 1]; 0 holds nothing.
        hold_quantile: share of the codes that the rule ``quantile`` holds, in [0, 1].
        map_source: what the map is made of. ``attention`` (published) of the text to the target. ``posterior``: 1 - the
            probability that the model, given the instruction, gives the source's code. ``guidance``: how much of that
            code's probability the instruction takes away (at least 0); it needs ``guidance_scale`` over 1. The last two are
            maps on the codes' grid and read no layer, so that consolidation, ``layers``, ``single_layer``, ``average`` and
            ``smoothing`` say nothing of them.
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
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    matched_steps: bool = False
    reuse: str = "nothing"
    refresh: int = 5
    reference_strength: float = 1.1
    reference_strength_scope: str = "all"
    region_hold: bool = True
    hold_rule: str = "threshold"
    hold_when: str = "every_step"
    hold_threshold: float = 0.1
    hold_quantile: float = 0.8
    map_source: str = "attention"
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
        """Blocks whose attention the map is made of; none where it has another source."""
        if self.map_source != "attention":
            return ()
        return self.layers if self.averaged else (self.single_layer,)

    @property
    def map_smoothing(self) -> str:
        """Name of the filter the map goes through."""
        if self.map_source != "attention":
            return "none"
        return self.smoothing or ("adaptive" if self.consolidation else "none")

    @property
    def guided(self) -> bool:
        """Whether any step has an unconditional pass."""
        return any(map(self.guided_at, range(self.steps)))

    def guided_at(self, step: int) -> bool:
        """Whether ``step`` has an unconditional pass."""
        first, last = self.guidance_interval
        return self.guidance_scale > 1 and first <= step / self.steps < last

    @property
    def always_guided(self) -> bool:
        """Whether every step has an unconditional pass."""
        return self.guidance_scale > 1 and self.guidance_interval == (0, 1)

    @property
    def code_sources(self) -> tuple[str, ...]:
        """Sources of maps on the codes' grid that every step of such an edit tells."""
        return CODE_SOURCES if self.always_guided else CODE_SOURCES[:1]

    @property
    def hold_parameters(self) -> dict[str, Any]:
        """The settings that the hold rule reads, by name."""
        return {name: getattr(self, name) for name in needs(self.hold_rule) if name not in EVIDENCE}

    @property
    def holds(self) -> bool:
        """Whether the hold rule can decide anything: hold is on, and nothing that the rule reads is 0."""
        return self.region_hold and all(self.hold_parameters.values())

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


def validate(
    settings: EditSettings,
    num_blocks: int | None = None,
    multiple: int = 1,
    together: bool = True,
    key: Callable[[str], str] = str,
) -> None:
    """Raise one ``UserError`` that lists everything wrong with ``settings``.

    ``num_blocks`` is the transformer's number of blocks (None: not known yet, layers are only checked to be
    counted from 0); ``multiple`` is the number of pixels per cell, which ``resolution`` must be divisible by; ``together``
    is whether what does not go together counts (:func:`map_problems`); ``key`` says how the user calls a setting.
    """
    problems = [
        *_number_problems(settings, key),
        *_choice_problems(settings, key),
        *_layer_problems(settings, num_blocks),
    ]
    if together and not problems:
        problems += map_problems(asdict(settings) | {"region_hold": settings.holds}, key)
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
    if not settings.guided:
        late = settings.guidance_scale > 1
        reason = (
            f"none of the {settings.steps} steps lies in its interval {list(settings.guidance_interval)}"
            if late
            else f"{names[1]} {settings.guidance_scale:g} must be more than 1"
        )
        raise UserError(f"{names[0]} has no effect without guidance: {reason}.")


def check_query(settings: EditSettings, query: str | None) -> None:
    """Raise a ``UserError`` where a word was asked for that the map is not made of."""
    if query is not None and settings.map_source != "attention":
        raise UserError(
            f"The query '{query}' chooses among the instruction's attention, which map_source={settings.map_source} does "
            "not read: leave it out, or set map_source to attention."
        )


def map_problems(values: Mapping[str, Any], key: Callable[[str], str] = str) -> list[str]:
    """Return what of the map's source and the hold rule does not go together, a clause each.

    ``values`` are valid alone, by the names of :class:`EditSettings`; what is None is not known yet. ``key`` says how the
    user calls one.
    """
    problems = []
    source, scale, rule = (values[name] for name in ("map_source", "guidance_scale", "hold_rule"))
    if source == "guidance" and scale is not None and scale <= 1:
        problems.append(
            f"{key('map_source')}=guidance compares with an unconditional pass: {key('guidance_scale')}={scale:g} "
            "must be more than 1"
        )
    interval, hold_when = values["guidance_interval"], values["hold_when"]
    every_step = hold_when == "every_step" or values["region_hold"] is False
    if source == "guidance" and every_step and interval is not None and tuple(interval) != (0, 1):
        problems.append(
            f"{key('map_source')}=guidance needs guidance in every step: {key('guidance_interval')}="
            f"{list(interval)} must be [0, 1], or {key('hold_when')}=first_pass"
        )
    if values["region_hold"] and None not in (source, rule) and source not in (able := sources(rule)):
        problems.append(
            f"{key('hold_rule')}={rule} needs {key('map_source')}={' or '.join(able)}, not {source}"
        )
    return problems


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_pair(value: Any) -> bool:
    pair = isinstance(value, tuple) and len(value) == 2
    return pair and all(_is_number(number) and number >= 0 for number in value)


def _number_problems(settings: EditSettings, key: Callable[[str], str]) -> list[str]:
    problems = []
    for name in ("steps", "refresh"):
        value = getattr(settings, name)
        if not _is_integer(value) or value < 1:
            problems.append(f"{key(name)}={value} must be a whole number of at least 1")
    for name, limit in _LIMITS.items():
        value = getattr(settings, name)
        largest = max(value, default=0) if isinstance(value, tuple) and all(map(_is_number, value)) else value
        if _is_number(largest) and largest > limit.most:
            problems.append(f"{key(name)}={value} {limit.rule}")
    for name in ("guidance_scale", "reference_strength"):
        value = getattr(settings, name)
        if not _is_number(value) or value < 0:
            problems.append(f"{key(name)}={value} must be a finite number of at least 0")
    for name in ("hold_threshold", "hold_quantile"):
        value = getattr(settings, name)
        if not _is_number(value) or not 0 <= value <= 1:
            problems.append(f"{key(name)}={value} must lie in [0, 1]")
    if not _is_pair(settings.temperature):
        problems.append(
            f"temperature={settings.temperature} must be two numbers of at least 0, first and last"
        )
    interval = settings.guidance_interval
    if not _is_pair(interval) or not interval[0] < interval[1] <= 1:
        problems.append(
            f"{key('guidance_interval')}={interval} must be two numbers of [0, 1], first and last"
        )
    return problems


def _choice_problems(settings: EditSettings, key: Callable[[str], str]) -> list[str]:
    problems = []
    for name, choices in (
        ("schedule", SCHEDULES),
        ("reference_strength_scope", SCOPES),
        ("smoothing", (None, *SMOOTHINGS)),
        ("map_source", MAP_SOURCES),
        ("hold_rule", RULES),
        ("hold_when", HOLD_TIMES),
        ("reuse", REUSES),
    ):
        value = getattr(settings, name)
        if value not in choices:
            words = [choice for choice in choices if choice]
            problems.append(f"{key(name)}={value} must be one of {', '.join(words)}{nearest(value, words)}")
    for name, booleans in (
        ("region_hold", (True, False)),
        ("consolidation", (True, False)),
        ("average", (True, False, None)),
        ("matched_steps", (True, False)),
    ):
        value = getattr(settings, name)
        if not any(value is choice for choice in booleans):
            problems.append(f"{key(name)}={value} must be true or false")
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
