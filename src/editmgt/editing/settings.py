"""Everything that can be chosen about an edit once the weights are fixed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Annotated, Any, Self

from editmgt.editing.hold_rules import EVIDENCE, RULES, needs, readers
from editmgt.editing.smoothings import SMOOTHINGS
from editmgt.errors import UserError, nearest
from editmgt.settings.declaration import declared, setting, silenced
from editmgt.settings.ranges import (
    Fraction,
    Guidance,
    Interval,
    Layers,
    NotNegative,
    Resolution,
    Steps,
    Strength,
    Temperature,
    Temperatures,
    one_of,
)

SCHEDULES = ("cosine", "linear")
SCOPES = ("all", "image")
ATTENDS = ("everything", "itself")
CODE_SOURCES = ("posterior", "guidance")  # of maps on the codes' grid
MAP_SOURCES = ("attention", *CODE_SOURCES)
HOLD_TIMES = ("every_step", "first_pass")
REUSES = ("nothing", "reference", "known")
INJECTION = "model.attention_injection"  # a key that no edit has: trained in
PARADIGM = "model.paradigm"  # likewise
OF_CODES = {PARADIGM: "mgt"}  # what a flow does not read, which draws noise and no codes
OF_ATTENTION = {
    "map_source": "attention"
}  # what a map of attention alone reads; a word of the instruction, too


@dataclass(frozen=True)
class EditSettings:
    """Settings of an edit; the defaults are the published ones for the released 1 B weights.

    Attributes:
        steps: sampling steps, at least 1.
        guidance_scale: classifier-free guidance; up to 1 the unconditional pass is skipped.
        temperature: scale of the noise in the choice of tokens to mask again, first and last step.
        draw_temperature: divides the logits that codes are drawn from, at least 0: 1 (published) draws as the model says,
            0 takes the likeliest code. Which tokens are masked again still goes by the model's own probabilities.
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
        reference_attends: what the reference's tokens attend to: ``everything`` (published), or the reference ``itself``, so
            that they stay the same from step to step and are computed once, exactly.
        region_hold: whether tokens that ``hold_rule`` chooses by the map take the reference's code.
        hold_rule: a module of :mod:`editmgt.editing.hold_rules`.
        hold_when: ``every_step`` (published: held when committed, by that step's map) or ``first_pass`` (by one pass with
            everything masked before the first step; what it holds is known from the start, as outside a mask).
        hold_threshold: lambda of the rules ``threshold`` and ``hysteresis``, in [0, 1]; 0 holds nothing.
        hold_peak: the score that a region has to reach with the rule ``hysteresis``, in [0, 1].
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
        smoothing: overrides consolidation's smoothing alone, a module of :mod:`editmgt.editing.smoothings`.
        resolution: an edit works on about resolution^2 pixels, whatever the aspect ratio.
        negative_prompt: text of the unconditional pass.
    """

    steps: Steps = setting(36, "sampler.steps", option="sampling steps")
    guidance_scale: Guidance = setting(
        6.0,
        "sampler.guidance_scale",
        under={"guided": True},
        option="classifier-free guidance; up to 1: none",
    )
    temperature: tuple[float, float] = setting(
        (2.0, 0.0), "sampler.temperature", kind=Temperatures, under=OF_CODES
    )
    draw_temperature: Temperature = setting(
        1.0,
        "sampler.draw_temperature",
        under=OF_CODES,
        option="how random drawn codes are; 1: as the model says, 0: the likeliest",
    )
    schedule: Annotated[str, one_of(SCHEDULES)] = setting("cosine", "sampler.schedule", under=OF_CODES)
    guidance_interval: tuple[float, float] = setting(
        (0.0, 1.0), "sampler.guidance_interval", kind=Interval, under={"guided": True}
    )
    # a mask is no setting: of edits without one, as all that are stored and compared, this says where it acts
    matched_steps: bool = setting(
        False, "sampler.matched_steps", under={"hold_when": "first_pass"} | OF_CODES
    )
    reuse: Annotated[str, one_of(REUSES)] = setting("nothing", "sampler.reuse")
    refresh: Steps = setting(5, "sampler.refresh", under={"reuse": ("reference", "known")})
    reference_strength: Strength = setting(
        1.1,
        "model.reference_strength",
        under={INJECTION: True},
        option="how strongly the source is heard (gamma); 1: as trained",
    )
    reference_strength_scope: Annotated[str, one_of(SCOPES)] = setting(
        "all", "model.reference_strength_scope", under={INJECTION: True}
    )
    reference_attends: Annotated[str, one_of(ATTENDS)] = setting(
        "everything",
        "model.reference_attends",
        under={INJECTION: True},
        trained=True,
        option="what the source's tokens attend to: everything (published), or itself, and an edit computes them once",
    )
    region_hold: bool = setting(
        True, "model.region_hold", option="let the hold rule choose tokens to keep, or every token change"
    )
    hold_rule: Annotated[str, one_of(RULES)] = setting(
        "threshold",
        "model.hold.rule",
        under={"region_hold": True},
        option=f"how the map chooses the tokens that keep the source's code: {', '.join(RULES)}",
    )
    hold_when: Annotated[str, one_of(HOLD_TIMES)] = setting(
        "every_step",
        "model.hold.when",
        under={"region_hold": True},
        option="every_step (published), or first_pass: by one pass before the first step",
    )
    hold_threshold: Fraction = setting(
        0.1,
        "model.hold.threshold",
        under={"hold_rule": lambda: readers("hold_threshold")},
        option="rules threshold and hysteresis: tokens under this score keep the source's code, 0 to 1",
    )
    hold_peak: Fraction = setting(
        0.99,
        "model.hold.peak",
        under={"hold_rule": lambda: readers("hold_peak")},
        option="rule hysteresis: regions that nowhere reach this score keep the source's codes, too, 0 to 1",
    )
    hold_quantile: Fraction = setting(
        0.8,
        "model.hold.quantile",
        under={"hold_rule": lambda: readers("hold_quantile")},
        option="rule quantile: the share of the tokens that is held, 0 to 1",
    )
    map_source: Annotated[str, one_of(MAP_SOURCES)] = setting(
        "attention",
        "model.localization.source",
        of_map=True,
        option="what says where to edit: attention (published), posterior (how unlikely the model finds the source's "
        "code) or guidance (how much the instruction takes from it)",
    )
    consolidation: bool = setting(
        True,
        "model.consolidation",
        under=OF_ATTENTION,
        of_map=True,
        option="average layers and smooth, or read one layer as it is",
    )
    layers: tuple[int, ...] = setting(
        tuple(range(28, 37)), "model.localization.layers", kind=Layers, under=OF_ATTENTION, of_map=True
    )
    single_layer: NotNegative = setting(
        32, "model.localization.single_layer", under=OF_ATTENTION, of_map=True
    )
    average: bool | None = setting(None, "model.localization.average", under=OF_ATTENTION, of_map=True)
    smoothing: Annotated[str, one_of(SMOOTHINGS)] | None = setting(
        None, "model.localization.smoothing", under=OF_ATTENTION, of_map=True
    )
    resolution: Resolution = setting(1024, "model.resolution", trained=True)
    negative_prompt: str = setting("", "", under={"guided": True}, option="what guidance leads away from")

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

    @property
    def of_pictures(self) -> dict[str, Any]:
        """What can change a picture, as plain values: the settings without those that others made say nothing.

        With hold off nothing of the map counts; with it on, its layers and its filter do, by whatever settings they are so.
        """
        values = self.to_dict() | {"region_hold": self.holds}
        idle = silenced(values | {"guided": self.guided}, SETTINGS)
        found = {
            name: values[name]
            for name, setting in SETTINGS.items()
            if name not in idle and not setting.of_map
        }
        if self.holds:
            found |= {
                "map_source": self.map_source,
                "map_layers": sorted(self.map_layers),
                "map_smoothing": self.map_smoothing,
            }
        return found

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
        return replace(self, **{name: _plain(value) for name, value in changes.items()})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from JSON values; names that are left out keep their defaults."""
        return cls().override(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}


def _plain(value: Any) -> Any:
    """A list as a tuple, and a number of numpy or torch as Python's."""
    if getattr(value, "ndim", None) == 0:
        return value.item()
    return tuple(value) if isinstance(value, list) else value


SETTINGS = declared(EditSettings)  # name -> what is declared of it, in the fields' order
OPTIONS = tuple(name for name, setting in SETTINGS.items() if setting.option is not None)  # of ``edit.py``
