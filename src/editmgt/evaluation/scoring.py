"""Samples of one picture size on their way through the codec and the metrics."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from editmgt.data.sample import EditSample
from editmgt.editing import Editor, EditResult, EditSettings
from editmgt.editing.images import to_pixels
from editmgt.metrics import EditBatch, Scorer, SetScores, edit_ratio

_SUCCESS = ("edit/success", "edit/success_strict")


class Edits(Protocol):
    """Makes what is judged, or has it: an :class:`Editor`, or a store of what it made."""

    def edit(self, *arguments: Any, **options: Any) -> EditResult:
        """See :meth:`Editor.edit`."""

    def round_trip(self, images: Sequence[Image.Image], resolution: int) -> list[Image.Image]:
        """See :meth:`Editor.round_trip`."""


class Group:
    """Samples of one picture size that know equally much of their truth, and their pictures.

    ``edits`` makes their edits, or has them, where ``editor`` itself does not. A ``ValueError`` for a mask of another size than
    its target (or source, where there is no target).
    """

    def __init__(
        self,
        samples: Sequence[EditSample],
        editor: Editor,
        resolution: int,
        edits: Edits | None = None,
    ) -> None:
        for sample in samples:
            _check_sizes(sample)
        self.samples, self.editor, self.resolution = samples, editor, resolution
        self.edits: Edits = editor if edits is None else edits
        self.source = [Image.fromarray(sample.source) for sample in samples]

    @property
    def target(self) -> list[Image.Image]:
        """The wanted pictures; a ``ValueError`` where the benchmark knows none."""
        return [Image.fromarray(_known(sample.target, "target")) for sample in self.samples]

    @property
    def masks(self) -> list[Image.Image]:
        """White where an edit may change something; a ``ValueError`` where the benchmark does not say."""
        masks = [Image.fromarray(_known(sample.edit_mask, "edit mask")) for sample in self.samples]
        return [mask.resize(self.source[0].size, Image.Resampling.NEAREST) for mask in masks]

    @cached_property
    def source_codec(self) -> list[Image.Image]:
        """The sources through the codec and back."""
        return self.edits.round_trip(self.source, self.resolution)

    @cached_property
    def target_codec(self) -> list[Image.Image]:
        """The targets through the codec and back."""
        return self.edits.round_trip(self.target, self.resolution)


@dataclass(frozen=True)
class Outcome:
    """Edited pictures; what only an editor knows is None for a control."""

    images: list[Image.Image]
    localization: Tensor | None = None
    held: Tensor | None = None
    seconds: float | None = None


def kind(sample: EditSample) -> tuple[Any, ...]:
    """Return what samples of one group have in common."""
    target = None if sample.target is None else sample.target.shape
    return sample.source.shape, target, sample.edit_mask is None


def score(
    group: Group, outcome: Outcome, settings: EditSettings, scorer: Scorer, sets: SetScores
) -> list[dict[str, float]]:
    """Return every sample's metrics, NaN where one is not defined, and add the pictures to ``sets``.

    An ambiguous instruction is scored by the valid reading that the edited picture is nearest to; one that asks
    for several things succeeds where each of its parts does.
    """
    variants = list(_variants(group.samples))
    rows = [row for row, _, _ in variants]
    batch = _batch(group, outcome, settings, variants)
    columns = {name: values.tolist() for name, values in scorer.score(batch).items()}
    nearness = _nearness(batch)
    chosen, scores = [], []
    for index, sample in enumerate(group.samples):
        own = [position for position, row in enumerate(rows) if row == index]
        whole = min(own, key=lambda position: nearness[position]) if sample.alternatives else own[0]
        values = {name: column[whole] for name, column in columns.items()}
        for name in _SUCCESS:
            if sample.parts and name in values:
                values[name] = min(columns[name][position] for position in own)
        chosen.append(whole)
        scores.append(values)
    reference = batch.source if batch.target is None else batch.target
    sets.update(batch.edited[chosen], reference[chosen])
    return scores


def _variants(samples: Sequence[EditSample]) -> Iterator[tuple[int, Any, Any]]:
    """Yield (sample's position, target, mask): as it stands, its other readings, its parts."""
    for index, sample in enumerate(samples):
        yield index, sample.target, sample.edit_mask
        for reading in sample.alternatives:
            yield index, reading.target, reading.edit_mask
        for part in sample.parts:
            yield index, sample.target, part


def _batch(
    group: Group, outcome: Outcome, settings: EditSettings, variants: list[tuple[int, Any, Any]]
) -> EditBatch:
    """Return what metrics read of every variant; on a CUDA editor's own device, else on the CPU."""
    device = group.editor.device
    where = device if device.type == "cuda" else torch.device("cpu")
    rows = [row for row, _, _ in variants]
    height, width = _truth_size(group.samples[0])

    def pixels(images: Sequence[Image.Image]) -> Tensor:
        # as MagicBrush's scorer: what was edited is brought to the target's size
        fitting = [image.resize((width, height), Image.Resampling.BICUBIC) for image in images]
        return torch.stack([to_pixels(fitting[row]) for row in rows]).to(where)

    def truth(arrays: list[Any]) -> Tensor | None:
        return None if arrays[0] is None else torch.tensor(np.stack(arrays)).to(where)

    def picked(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor[rows].to(where)

    target = truth([target for _, target, _ in variants])
    cut = [
        any(map(group.editor.text_encoder.truncated, (sample.instruction, *sample.before)))
        for sample in group.samples
    ]
    each = None if outcome.seconds is None else outcome.seconds / len(group.samples)
    return EditBatch(
        edited=pixels(outcome.images),
        source=pixels(group.source),
        target=None if target is None else target.permute(0, 3, 1, 2).float() / 255,
        edit_mask=truth([mask for _, _, mask in variants]),
        source_codec=pixels(group.source_codec),
        localization=picked(outcome.localization),
        held=picked(outcome.held),
        hold_threshold=settings.hold_parameters.get("hold_threshold"),  # other rules have none
        seconds=None if each is None else torch.full((len(rows),), each),
        cut=torch.tensor([float(cut[row]) for row in rows]),
        source_caption=[group.samples[row].source_caption for row in rows],
        target_caption=[group.samples[row].target_caption for row in rows],
    )


def _nearness(batch: EditBatch) -> list[float]:
    """How far each edited picture is from its variant's target; infinite where nobody knows."""
    if batch.target is None or batch.edit_mask is None:
        return [math.inf] * len(batch.edited)
    ratios = edit_ratio(batch.edited, batch.source, batch.target, batch.edit_mask)
    return [math.inf if math.isnan(ratio) else ratio for ratio in ratios.tolist()]


def _check_sizes(sample: EditSample) -> None:
    height, width = _truth_size(sample)
    for reading in sample.alternatives:
        if reading.target.shape != (height, width, 3):
            raise ValueError(f"targets {(height, width, 3)} and {reading.target.shape} differ in size")
    for mask in (sample.edit_mask, *sample.parts, *(reading.edit_mask for reading in sample.alternatives)):
        if mask is not None and mask.shape != (height, width):
            raise ValueError(f"target {(height, width)} and edit mask {mask.shape} differ in size")


def _truth_size(sample: EditSample) -> tuple[int, int]:
    height, width = (sample.source if sample.target is None else sample.target).shape[:2]
    return height, width


def _known(value: Any, name: str) -> Any:
    if value is None:
        raise ValueError(f"the benchmark gives no {name} for this sample")
    return value
