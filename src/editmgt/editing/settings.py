"""Everything that can be chosen about an edit once the weights are fixed."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from typing import Annotated, Any, Self

from pydantic import BaseModel, create_model

from editmgt.editing.hold_rules import EVIDENCE, RULES, needs, readers, sources
from editmgt.editing.smoothings import SMOOTHINGS
from editmgt.errors import UserError, nearest
from editmgt.settings.declaration import Setting, declared, silenced, silencer
from editmgt.settings.mistakes import mistakes, show
from editmgt.settings.ranges import (
    Fraction,
    Guidance,
    Interval,
    Layers,
    NotNegative,
    Resolution,
    Steps,
    Strength,
    Strict,
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
QUERY_UNDER = {"map_source": "attention"}  # where a word of the instruction can be asked for


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
        smoothing: overrides consolidation's smoothing alone, a module of :mod:`editmgt.editing.smoothings`.
        resolution: an edit works on about resolution^2 pixels, whatever the aspect ratio.
        negative_prompt: text of the unconditional pass.
    """

    steps: Annotated[int, Setting("sampler.steps", Steps, option="sampling steps")] = 36
    guidance_scale: Annotated[
        float,
        Setting(
            "sampler.guidance_scale",
            Guidance,
            under={"guided": True},
            option="classifier-free guidance; up to 1: none",
        ),
    ] = 6.0
    temperature: Annotated[tuple[float, float], Setting("sampler.temperature", Temperatures)] = (2.0, 0.0)
    draw_temperature: Annotated[
        float,
        Setting(
            "sampler.draw_temperature",
            Temperature,
            option="how random drawn codes are; 1: as the model says, 0: the likeliest",
        ),
    ] = 1.0
    schedule: Annotated[str, Setting("sampler.schedule", Annotated[str, one_of(SCHEDULES)])] = "cosine"
    guidance_interval: Annotated[
        tuple[float, float], Setting("sampler.guidance_interval", Interval, under={"guided": True})
    ] = (0.0, 1.0)
    matched_steps: Annotated[
        bool, Setting("sampler.matched_steps", bool, under={"hold_when": "first_pass"})
    ] = False
    reuse: Annotated[str, Setting("sampler.reuse", Annotated[str, one_of(REUSES)])] = "nothing"
    refresh: Annotated[int, Setting("sampler.refresh", Steps, under={"reuse": ("reference", "known")})] = 5
    reference_strength: Annotated[
        float,
        Setting(
            "model.reference_strength",
            Strength,
            under={INJECTION: True},
            option="how strongly the source is heard (gamma); 1: as trained",
        ),
    ] = 1.1
    reference_strength_scope: Annotated[
        str,
        Setting(
            "model.reference_strength_scope",
            Annotated[str, one_of(SCOPES)],
            under={INJECTION: True},
        ),
    ] = "all"
    reference_attends: Annotated[
        str,
        Setting(
            "model.reference_attends",
            Annotated[str, one_of(ATTENDS)],
            under={INJECTION: True},
            trained=True,
            option="what the source's tokens attend to: everything (published), or itself, and an edit computes them once",
        ),
    ] = "everything"
    region_hold: Annotated[
        bool,
        Setting(
            "model.region_hold", bool, option="let the hold rule choose tokens to keep, or every token change"
        ),
    ] = True
    hold_rule: Annotated[
        str,
        Setting(
            "model.hold.rule",
            Annotated[str, one_of(RULES)],
            under={"region_hold": True},
            option=f"how the map chooses the tokens that keep the source's code: {', '.join(RULES)}",
        ),
    ] = "threshold"
    hold_when: Annotated[
        str,
        Setting(
            "model.hold.when",
            Annotated[str, one_of(HOLD_TIMES)],
            under={"region_hold": True},
            option="every_step (published), or first_pass: by one pass before the first step",
        ),
    ] = "every_step"
    hold_threshold: Annotated[
        float,
        Setting(
            "model.hold.threshold",
            Fraction,
            under={"hold_rule": lambda: readers("hold_threshold")},
            option="rule threshold: tokens under this score keep the source's code, 0 to 1",
        ),
    ] = 0.1
    hold_quantile: Annotated[
        float,
        Setting(
            "model.hold.quantile",
            Fraction,
            under={"hold_rule": lambda: readers("hold_quantile")},
            option="rule quantile: the share of the tokens that is held, 0 to 1",
        ),
    ] = 0.8
    map_source: Annotated[
        str,
        Setting(
            "model.localization.source",
            Annotated[str, one_of(MAP_SOURCES)],
            of_map=True,
            option="what says where to edit: attention (published), posterior (how unlikely the model finds the source's "
            "code) or guidance (how much the instruction takes from it)",
        ),
    ] = "attention"
    consolidation: Annotated[
        bool,
        Setting(
            "model.consolidation",
            bool,
            under={"map_source": "attention"},
            of_map=True,
            option="average layers and smooth, or read one layer as it is",
        ),
    ] = True
    layers: Annotated[
        tuple[int, ...],
        Setting("model.localization.layers", Layers, under={"map_source": "attention"}, of_map=True),
    ] = tuple(range(28, 37))
    single_layer: Annotated[
        int,
        Setting(
            "model.localization.single_layer", NotNegative, under={"map_source": "attention"}, of_map=True
        ),
    ] = 32
    average: Annotated[
        bool | None,
        Setting("model.localization.average", bool | None, under={"map_source": "attention"}, of_map=True),
    ] = None
    smoothing: Annotated[
        str | None,
        Setting(
            "model.localization.smoothing",
            Annotated[str, one_of(SMOOTHINGS)] | None,
            under={"map_source": "attention"},
            of_map=True,
        ),
    ] = None
    resolution: Annotated[int, Setting("model.resolution", Resolution, trained=True)] = 1024
    negative_prompt: Annotated[
        str, Setting("", str, under={"guided": True}, option="what guidance leads away from")
    ] = ""

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
        lists = {name: tuple(value) for name, value in changes.items() if isinstance(value, list)}
        return replace(self, **(changes | lists))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from JSON values; names that are left out keep their defaults."""
        return cls().override(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}


SETTINGS = declared(EditSettings)  # name -> what is declared of it, in the fields' order


@cache
def _plain() -> type[BaseModel]:
    """The settings as plain values, each of its kind."""
    kinds: dict[str, Any] = {name: (setting.kind, ...) for name, setting in SETTINGS.items()}
    return create_model("EditSettings", __base__=Strict, **kinds)


def validate(
    settings: EditSettings,
    num_blocks: int | None = None,
    multiple: int = 1,
    together: bool = True,
    key: Callable[[str], str] = str,
) -> None:
    """Raise one ``UserError`` that lists everything wrong with ``settings``.

    ``num_blocks`` is the transformer's number of blocks (None: not known yet); ``multiple`` is the number of pixels per cell,
    which ``resolution`` must be divisible by; ``together`` is whether what does not go together counts
    (:func:`map_problems`); ``key`` says how the user calls a setting.
    """
    values, resolution = settings.to_dict(), settings.resolution
    problems = mistakes(_plain(), values, called=key)
    if together and not problems:
        problems += map_problems(values | {"region_hold": settings.holds}, key)
    problems += layer_problems(values, num_blocks, key)
    if isinstance(resolution, int) and resolution % multiple:
        near = max(1, round(resolution / multiple)) * multiple
        problems.append(
            f"{key('resolution')}={resolution} must be a multiple of the model's {multiple} pixels, such as {near}."
        )
    if problems:
        raise UserError(f"Edit settings: {' '.join(problems)}")


def layer_problems(
    values: Mapping[str, Any], num_blocks: int | None, key: Callable[[str], str] = str
) -> list[str]:
    """Return a line for each of ``layers`` and ``single_layer`` that names a block beyond ``num_blocks`` (None: not known)."""
    if num_blocks is None:
        return []
    outside = {}
    for name in ("layers", "single_layer"):
        layers = values[name] if isinstance(values[name], list) else [values[name]]
        outside[name] = [layer for layer in layers if isinstance(layer, int) and layer >= num_blocks]
    return [
        f"{key(name)}={show(values[name])}: this model has blocks 0 to {num_blocks - 1}, and no {' and no '.join(map(str, beyond))}."
        for name, beyond in outside.items()
        if beyond
    ]


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
    if query is not None and silencer(QUERY_UNDER, asdict(settings), SETTINGS):
        raise UserError(
            f"The query '{query}' chooses among the instruction's attention, which map_source={settings.map_source} does "
            "not read: leave it out, or set map_source to attention."
        )


def check_threshold(own: EditSettings, changes: Mapping[str, Any], key: Callable[[str], str] = str) -> None:
    """Raise a ``UserError`` where another map would be held by the threshold that was chosen for an editor's own.

    ``changes`` are made to the settings that the editor was finished with; ``key`` says how the user calls one.
    """
    asked = own.override(**changes)
    foreign = asked.map_source != own.map_source and "hold_threshold" not in changes
    if foreign and asked.region_hold and "hold_threshold" in needs(asked.hold_rule):
        raise UserError(
            f"{key('map_source')}={asked.map_source}: the checkpoint's {key('hold_threshold')}={own.hold_threshold:g} was "
            f"chosen for {own.map_source}, and the two maps have other scores: set {key('hold_threshold')} too."
        )


def map_problems(values: Mapping[str, Any], key: Callable[[str], str] = str) -> list[str]:
    """Return what of the map's source and the hold rule does not go together, a line each.

    ``values`` are valid alone, by the names of :class:`EditSettings`; what is None is not known yet. ``key`` says how the
    user calls one.
    """
    problems = []
    source, scale, rule = (values[name] for name in ("map_source", "guidance_scale", "hold_rule"))
    if source == "guidance" and scale is not None and scale <= 1:
        problems.append(
            f"{key('map_source')}=guidance compares with an unconditional pass: {key('guidance_scale')}={scale:g} "
            "must be more than 1."
        )
    interval, hold_when = values["guidance_interval"], values["hold_when"]
    every_step = hold_when == "every_step" or values["region_hold"] is False
    if source == "guidance" and every_step and interval is not None and tuple(interval) != (0, 1):
        problems.append(
            f"{key('map_source')}=guidance needs guidance in every step: {key('guidance_interval')}="
            f"{list(interval)} must be [0, 1], or {key('hold_when')}=first_pass."
        )
    if values["region_hold"] and None not in (source, rule) and source not in (able := sources(rule)):
        problems.append(
            f"{key('hold_rule')}={rule} needs {key('map_source')}={' or '.join(able)}, not {source}."
        )
    return problems
