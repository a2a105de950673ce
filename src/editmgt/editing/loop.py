"""The editing loop: predict, sample, hold, commit the confident part, repeat.

Shapes: B batch, V codebook, N = H*W codes, M unknown codes, h w cells, S steps, L recorded layers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from editmgt.editing.attention_map import layer_maps, localize
from editmgt.editing.hold import held_codes
from editmgt.editing.maps import CodeMaps
from editmgt.editing.predictor import Prediction, Predictor
from editmgt.editing.sampler import Randomness, Schedule, draw_codes, least_confident, softmax_
from editmgt.editing.settings import EditSettings
from editmgt.finite import all_finite

# One tensor with a leading batch dimension, or, for pictures of several working sizes or numbers of steps, one tensor per
# sample. Indexing by sample works either way.
PerSample = Tensor | list[Tensor]


@dataclass(frozen=True)
class Step:
    """State after one step, per sample.

    Attributes:
        tokens: [B,H,W], the mask id where still unknown.
        localization: this step's map [B,h,w]; the first pass's where that decided what is held.
        held: [B,H,W], what the hold rule has decided for good so far.
    """

    tokens: PerSample
    localization: PerSample
    held: PerSample


@dataclass(frozen=True)
class TokenEdit:
    """A finished edit in codes; S is the number of steps that its longest sample took.

    Attributes:
        tokens: [B,H,W].
        localization: [B,h,w] in [0, 1], the mean over steps, or the first pass's where that decided what is held. The
            grid is that of the cells for ``attention`` and that of the codes for other sources.
        held: [B,H,W] bool, tokens that the hold rule decided when they were committed for good, or before the first step.
        changed: [B,H,W] bool, tokens other than the reference's.
        trace: every step, when asked for.
        layer_maps: [B,S,L,h,w], the raw text-to-image attention of the layers that were recorded.
        code_maps: source -> [B,S,H,W], the maps of the sources that were recorded.
        steps_B: how many steps each sample took; of the maps the others say nothing.
    """

    tokens: Tensor
    localization: Tensor
    held: Tensor
    changed: Tensor
    trace: list[Step]
    layer_maps: Tensor
    code_maps: dict[str, Tensor]
    steps_B: list[int]

    def step(self, number: int) -> Step:
        """A step of the trace; after the last one everything stays as it was."""
        return self.trace[min(number, len(self.trace) - 1)]


@dataclass(frozen=True)
class Start:
    """What an edit's steps begin with.

    Attributes:
        predict: the transformer, for these samples.
        code_maps: maps of the model's own predictions.
        may_change_BHW: codes that are unknown at first.
        held_BHW: codes that a first pass has held.
        randomness: one generator for the batch (published order of numbers) or one per sample.
        first_map_Bhw: the map of that first pass; None: there was none, and every step makes its own.
    """

    predict: Predictor
    code_maps: CodeMaps
    may_change_BHW: Tensor
    held_BHW: Tensor
    randomness: Randomness
    first_map_Bhw: Tensor | None = None

    def of(self, rows: list[int]) -> "Start":
        """The same of some samples alone, in their order."""
        if len(rows) == len(self.may_change_BHW):
            return self
        return Start(
            self.predict.of(rows),
            self.code_maps.of(rows),
            self.may_change_BHW[rows],
            self.held_BHW[rows],
            self.randomness
            if isinstance(self.randomness, torch.Generator)
            else [self.randomness[row] for row in rows],
            None if self.first_map_Bhw is None else self.first_map_Bhw[rows],
        )


@dataclass(frozen=True)
class Loop:
    """The passes of an edit.

    Attributes:
        settings: valid for the transformer.
        cell_size: codes along one side of a cell.
        mask_id: the token of an unknown code.
        timestep_convention: ``step_index`` counts the steps that follow; ``mask_ratio`` is the fraction of
            tokens that is unknown before the step.
        trace: keep every step.
        record_layers, record_sources: whose maps are kept.
        on_step: called after every step.
        finite: whether the tensors of each pass are finite, by what they are: looked at in the end, so that no step waits
            for the device.
    """

    settings: EditSettings
    cell_size: int
    mask_id: int
    timestep_convention: str
    trace: bool
    record_layers: Sequence[int]
    record_sources: Sequence[str]
    on_step: Callable[[], None]
    finite: dict[str, Tensor] = field(default_factory=dict)

    @property
    def schedule(self) -> Schedule:
        """How fast codes are committed."""
        return Schedule(self.settings.steps, self.settings.schedule, self.settings.temperature)

    def first_pass(self, start: Start) -> Start:
        """Hold by one pass with everything that may change unknown; the rest is what the steps begin with."""
        predict, code_maps, settings = start.predict, start.code_maps, self.settings
        # the unconditional half is remembered too where the next step needs it; matched steps begin late
        following = settings.steps - 1 if settings.matched_steps else 0
        remembered = settings.reuse != "nothing" and settings.guided_at(following)
        cells = self._cells(predict.reference_BHW)
        prediction = predict(
            predict.reference_BHW.masked_fill(start.may_change_BHW, self.mask_id),
            self._timestep(0, share(start.may_change_BHW)),
            start.may_change_BHW,
            settings.map_layers,
            guided="guidance" in code_maps.scores or remembered,
            halves=bool(code_maps.scores),
        )
        self._check("transformer's logits in the first pass", prediction.logits_MV)
        code_maps.update(prediction, start.may_change_BHW)
        map_Bhw = self._map(prediction, code_maps, cells)
        held_BHW = start.may_change_BHW & held_codes(settings, map_Bhw, code_maps.likeliest_BHW)
        code_maps.forget_all_but(self.record_sources)
        return Start(
            predict, code_maps, start.may_change_BHW & ~held_BHW, held_BHW, start.randomness, map_Bhw
        )

    def steps(self, start: Start, first: int = 0) -> TokenEdit:
        """Sample what is unknown, in the schedule's steps from ``first`` on; later ones begin with less unknown."""
        settings, schedule, predict, code_maps = self.settings, self.schedule, start.predict, start.code_maps
        reference_BHW, randomness = predict.reference_BHW, start.randomness
        batch, height, width = reference_BHW.shape
        float32: Any = {"dtype": torch.float32, "device": reference_BHW.device}
        length, cells = height * width, self._cells(reference_BHW)
        numbers = range(first, settings.steps)

        layers = self.record_layers
        localization_Bhw = start.first_map_Bhw
        every_step = localization_Bhw is None
        if localization_Bhw is None:
            layers = tuple(dict.fromkeys((*settings.map_layers, *layers)))
            grid = cells if settings.map_source == "attention" else (height, width)
            localization_Bhw = torch.zeros(batch, *grid, **float32)
        map_Bhw = localization_Bhw

        share_B = share(start.may_change_BHW)
        # what the schedule's first step here finds unknown counts as all, unless it is where so much is left anyway
        start_ratio_B = share_B if first == 0 else torch.ones_like(share_B)
        tokens_BHW = reference_BHW.masked_fill(start.may_change_BHW, self.mask_id)
        held_BHW = start.held_BHW
        trace: list[Step] = []
        layers_BSLhw = torch.zeros(batch, len(numbers), len(self.record_layers), *cells, **float32)
        sources_BSHW = {
            source: torch.zeros(batch, len(numbers), height, width, **float32)
            for source in self.record_sources
        }
        for taken, step in enumerate(numbers):
            last = step == settings.steps - 1
            unknown_BHW = tokens_BHW == self.mask_id
            prediction = predict(
                tokens_BHW,
                self._timestep(step, (start_ratio_B * schedule.ratio_before(step)).clamp(max=share_B)),
                unknown_BHW,
                layers,
                guided=settings.guided_at(step),
                halves=bool(code_maps.scores),
            )
            self._check(f"transformer's logits in step {step + 1}", prediction.logits_MV)
            code_maps.update(prediction, unknown_BHW)
            if every_step:
                map_Bhw = self._map(prediction, code_maps, cells)
                localization_Bhw = localization_Bhw + map_Bhw / len(numbers)
            if self.record_layers:
                maps_LBhw = layer_maps(prediction.attention, self.record_layers, cells)
                layers_BSLhw[:, taken] = maps_LBhw.transpose(0, 1)
            for source, recorded_BSHW in sources_BSHW.items():
                recorded_BSHW[:, taken] = code_maps.scores[source]

            logits_MV = prediction.logits_MV
            del prediction  # up to three times as large
            probs_MV = softmax_(logits_MV)
            drawn_M = draw_codes(probs_MV, unknown_BHW.flatten(1), randomness, settings.draw_temperature)
            tokens_BHW = tokens_BHW.masked_scatter(unknown_BHW, drawn_M)
            holds_BHW = torch.zeros_like(unknown_BHW)
            if settings.holds and every_step:
                holds_BHW = unknown_BHW & held_codes(settings, map_Bhw, code_maps.likeliest_BHW)
                tokens_BHW = torch.where(holds_BHW, reference_BHW, tokens_BHW)
            if not last:
                probs_M = probs_MV.gather(-1, tokens_BHW[unknown_BHW][:, None])[:, 0]
                remasked_BHW = least_confident(
                    torch.zeros_like(unknown_BHW, dtype=probs_M.dtype)
                    .masked_scatter(unknown_BHW, probs_M)
                    .flatten(1),
                    unknown_BHW.flatten(1),
                    schedule.unknown_after(step, length, start_ratio_B),
                    schedule.temperature_at(step),
                    randomness,
                ).view_as(tokens_BHW)
                tokens_BHW = tokens_BHW.masked_fill(remasked_BHW, self.mask_id)
                holds_BHW = holds_BHW & ~remasked_BHW
            del logits_MV, probs_MV  # the next pass needs the room
            held_BHW = held_BHW | holds_BHW
            if self.trace:
                trace.append(Step(tokens_BHW, map_Bhw, held_BHW))
            self.on_step()
        return TokenEdit(
            tokens_BHW,
            localization_Bhw,
            held_BHW,
            tokens_BHW != reference_BHW,
            trace,
            layers_BSLhw,
            sources_BSHW,
            [len(numbers)] * batch,
        )

    def _check(self, what: str, tensor: Tensor) -> None:
        """Note whether a tensor is finite; samples that begin elsewhere take a step of this name, too."""
        finite = all_finite(tensor)
        self.finite[what] = finite & self.finite.get(what, finite)

    def _cells(self, codes_BHW: Tensor) -> tuple[int, int]:
        return codes_BHW.shape[1] // self.cell_size, codes_BHW.shape[2] // self.cell_size

    def _timestep(self, step: int, ratio_B: Tensor) -> Tensor:
        if self.timestep_convention == "step_index":
            return torch.full(ratio_B.shape, self.settings.steps - 1 - step, device=ratio_B.device)
        return ratio_B

    def _map(self, prediction: Prediction, code_maps: CodeMaps, cells: tuple[int, int]) -> Tensor:
        settings = self.settings
        if settings.map_source != "attention":
            return code_maps.scores[settings.map_source]
        return localize(prediction.attention, settings.map_layers, cells, settings.map_smoothing)


def share(unknown_BHW: Tensor) -> Tensor:
    """The part [B] of each sample's codes that is unknown."""
    return unknown_BHW.sum(dim=(1, 2), dtype=torch.float32) / unknown_BHW[0].numel()
