"""Edit every sample of a benchmark, score it, and write what was found.

The controls (a copy of the source, the codec's round trips) need no editor and go through the same code.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from editmgt.benchmarks.gallery import Gallery
from editmgt.benchmarks.rows import Row, summarise, write_rows
from editmgt.data.sample import EditSample
from editmgt.editing import Editor, EditSettings, validate
from editmgt.editing.images import resize, to_image, to_pixels, working_size
from editmgt.files import write_json
from editmgt.metrics import EditBatch, Scorer, SetScores

Progress = Callable[[int, int], None]


class _Group:
    """Samples of one picture size, and their pictures."""

    def __init__(self, samples: list[EditSample], editor: Editor, resolution: int) -> None:
        for sample in samples:
            if not sample.source.shape == sample.target.shape == (*sample.edit_mask.shape, 3):
                raise ValueError(
                    f"source {sample.source.shape}, target {sample.target.shape} and edit mask "
                    f"{sample.edit_mask.shape} differ in size"
                )
        self.samples, self._editor, self._resolution = samples, editor, resolution
        self.source = [Image.fromarray(sample.source) for sample in samples]
        self.target = [Image.fromarray(sample.target) for sample in samples]

    @cached_property
    def source_codec(self) -> list[Image.Image]:
        return round_trip(self._editor, self.source, self._resolution)

    @cached_property
    def target_codec(self) -> list[Image.Image]:
        return round_trip(self._editor, self.target, self._resolution)


@dataclass(frozen=True)
class _Outcome:
    """Edited pictures; what only an editor knows is None for a control."""

    images: list[Image.Image]
    localization: Tensor | None = None
    held: Tensor | None = None
    seconds: float | None = None


def evaluate(
    editor: Editor,
    samples: Sequence[EditSample],
    settings: EditSettings,
    out_dir: Path | str,
    *,
    batch_size: int = 32,
    seed: int = 0,
    metrics: Scorer | Iterable[str] | None = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Edit and score ``samples``; write ``samples.csv``, ``metrics.json`` and ``samples.png`` to ``out_dir``.

    A sample that cannot be loaded, edited or scored becomes a failed row and the others go on: a batch that
    fails is tried again sample by sample. Randomness is per sample, from (``seed``, ``sample_id``), so a row
    does not depend on ``batch_size``. ``speed/edit_seconds`` is the exception: it is a batch's time over its
    size, and nothing is set aside as warm-up, so the first batch carries it.

    Args:
        editor: what is judged; it edits on its own device.
        samples: anything with a length and an index; read a batch at a time.
        settings: of every edit; ``hold_threshold`` is also that of ``localization/iou``, hold on or off.
        out_dir: made when missing.
        batch_size: samples edited together.
        seed: of the edits' randomness.
        metrics: names in ``metrics.REGISTRY``, whose weights have to be there; None for those that need none;
            or a scorer, which may have left metrics out (``not_run.json`` then says why).
        progress: called with (samples done, samples in all) after every batch.

    Returns:
        What ``metrics.json`` holds, see :func:`editmgt.benchmarks.rows.summarise`.

    Raises:
        UserError: for an unknown metric, one without its weights or settings that cannot be, before any work.
    """
    scorer = metrics if isinstance(metrics, Scorer) else Scorer(metrics)
    validate(settings, editor.transformer.num_blocks, editor.pixels_per_cell)

    def edit(group: _Group) -> _Outcome:
        result = editor.edit(
            group.source,
            [sample.instruction for sample in group.samples],
            sample_ids=[sample.sample_id for sample in group.samples],
            seed=seed,
            batch_size=len(group.samples),
            **settings.to_dict(),
        )
        maps, held = (torch.stack(list(rows)) for rows in (result.localization, result.held))
        return _Outcome(result.images, maps, held, result.seconds)

    gallery = Gallery()
    sets = scorer.set_scores()
    rows = _run(edit, editor, samples, settings, scorer, sets, batch_size, seed, progress, gallery)
    gallery.write(Path(out_dir) / "samples.png")
    return _write(rows, scorer, sets, Path(out_dir))


def round_trip(editor: Editor, images: Sequence[Image.Image], resolution: int) -> list[Image.Image]:
    """Return pictures of one size through the editor's codec and back, at the size it would edit them."""
    size = working_size(images[0].size, resolution, editor.pixels_per_cell)
    pixels = torch.stack([to_pixels(resize(image, size)) for image in images])
    decoded = editor.codec.decode(editor.codec.encode(pixels.to(editor.device)))
    return [resize(to_image(row), image.size) for row, image in zip(decoded, images, strict=True)]


# What is scored in the edit's place: name -> (directory, a group's pictures).
_CONTROLS: dict[str, tuple[str, Callable[[_Group], list[Image.Image]]]] = {
    "control: copy source": ("copy_source", lambda group: group.source),
    "control: codec round trip of source": ("codec_source", lambda group: group.source_codec),
    "control: codec round trip of target": ("codec_target", lambda group: group.target_codec),
}


def controls(
    editor: Editor,
    samples: Sequence[EditSample],
    settings: EditSettings,
    out_dir: Path | str,
    *,
    batch_size: int = 32,
    seed: int = 0,
    metrics: Scorer | Iterable[str] | None = None,
    progress: Progress | None = None,
) -> dict[str, dict[str, float]]:
    """Score what needs no editing, as :func:`evaluate` does: control's name -> its metrics.

    Doing nothing, losing what the codec loses, and the best picture this codec could give. Only the editor's
    codec and its working size are used. Metrics of maps and of time do not apply and are left out. Each
    control's ``samples.csv`` and ``metrics.json`` go to a directory of its own in ``out_dir``.
    """
    scorer = metrics if isinstance(metrics, Scorer) else Scorer(metrics)
    scorer = scorer.without({"localization", "held", "seconds"})
    found = {}
    for position, (title, (directory, control)) in enumerate(_CONTROLS.items()):

        def produce(group: _Group, control: Callable[[_Group], list[Image.Image]] = control) -> _Outcome:
            return _Outcome(control(group))

        def advance(done: int, total: int, before: int = position) -> None:
            if progress is not None:
                progress(before * total + done, len(_CONTROLS) * total)

        sets = scorer.set_scores()
        rows = _run(produce, editor, samples, settings, scorer, sets, batch_size, seed, advance)
        found[title] = _write(rows, scorer, sets, Path(out_dir) / directory)
    return found


def _run(
    produce: Callable[[_Group], _Outcome],
    editor: Editor,
    samples: Sequence[EditSample],
    settings: EditSettings,
    scorer: Scorer,
    sets: SetScores,
    batch_size: int,
    seed: int,
    progress: Progress | None,
    gallery: Gallery | None = None,
) -> list[Row]:
    """Return a row per sample, in order, whatever happens to any of them."""
    rows: dict[int, Row] = {}

    def work(batch: dict[int, EditSample]) -> None:
        group = _Group(list(batch.values()), editor, settings.resolution)
        outcome = produce(group)
        scored = _batch(group, outcome, settings, editor.device)
        scores = {name: values.tolist() for name, values in scorer.score(scored).items()}
        sets.update(scored.edited, scored.source if scored.target is None else scored.target)
        for position, (index, sample) in enumerate(batch.items()):
            values = {name: column[position] for name, column in scores.items()}
            rows[index] = Row.of(sample, seed, values=values)
            if gallery is not None and outcome.localization is not None and outcome.held is not None:
                gallery.offer(
                    sample, outcome.images[position], outcome.localization[position], outcome.held[position]
                )

    def attempt(batch: dict[int, EditSample]) -> None:
        try:
            work(batch)
        except Exception as error:  # whatever a model or a file can raise is this batch's failure alone
            if len(batch) > 1:
                for index, sample in batch.items():
                    attempt({index: sample})
            else:
                [(index, sample)] = batch.items()
                rows[index] = Row.of(sample, seed, error=_one_line(error))

    total = len(samples)
    for start in range(0, total, batch_size):
        stop = min(start + batch_size, total)
        by_size: dict[tuple[int, ...], dict[int, EditSample]] = {}
        for index in range(start, stop):
            try:
                sample = samples[index]
            except Exception as error:  # a corrupt file is a failed row, too
                rows[index] = Row(sample_id=f"#{index}", seed=seed, error=_one_line(error))
            else:
                by_size.setdefault(sample.source.shape, {})[index] = sample
        for batch in by_size.values():
            attempt(batch)
        if progress is not None:
            progress(stop, total)
    return [rows[index] for index in range(total)]


def _batch(group: _Group, outcome: _Outcome, settings: EditSettings, device: torch.device) -> EditBatch:
    """Return what metrics read; on a CUDA editor's own device, else on the CPU."""
    where = device if device.type == "cuda" else torch.device("cpu")

    def pixels(images: list[Image.Image]) -> Tensor:
        return torch.stack([to_pixels(image) for image in images]).to(where)

    size = len(group.samples)
    return EditBatch(
        edited=pixels(outcome.images),
        source=pixels(group.source),
        target=pixels(group.target),
        edit_mask=torch.tensor(np.stack([sample.edit_mask for sample in group.samples])).to(where),
        source_codec=pixels(group.source_codec),
        localization=None if outcome.localization is None else outcome.localization.to(where),
        held=None if outcome.held is None else outcome.held.to(where),
        hold_threshold=settings.hold_threshold,
        seconds=None if outcome.seconds is None else torch.full((size,), outcome.seconds / size),
        source_caption=[sample.source_caption for sample in group.samples],
        target_caption=[sample.target_caption for sample in group.samples],
    )


def _write(rows: Sequence[Row], scorer: Scorer, sets: SetScores, out_dir: Path) -> dict[str, float]:
    summary = summarise(rows, scorer.names)
    summary |= sets.compute(int(summary["n"])) | {f"{name}/not_run": summary["n"] for name in scorer.not_run}
    if scorer.not_run:
        write_json(out_dir / "not_run.json", scorer.not_run)
    write_rows(rows, scorer.names, out_dir / "samples.csv")
    write_json(out_dir / "metrics.json", summary)
    return summary


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
