"""Edit every sample of a benchmark, score it, and write what was found as it is found.

The controls (a copy of the source, the codec's round trips, an oracle's mask) go through the same code.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from editmgt.data.sample import EditSample, Samples
from editmgt.editing import Editor, EditSettings
from editmgt.editing.picture_files import png
from editmgt.evaluation.faults import told
from editmgt.evaluation.kept_maps import keep_map
from editmgt.evaluation.picture_page import Gallery
from editmgt.evaluation.scoring import Edits, Group, Outcome, kind, score
from editmgt.evaluation.summary import summarise
from editmgt.files import WriteError, write_atomic
from editmgt.metrics import Scorer, SetScores
from editmgt.results import Row, RunDirectory, reference
from editmgt.results.rows import OF_SAMPLE
from editmgt.results.run_directory import GALLERY, MAPS

Progress = Callable[[int, int], None]  # called with (samples done, samples in all)
Produce = Callable[[Group], Outcome]
PicturePath = Callable[[EditSample], Path]
# told of every sample that was scored: its index, the sample, its group's outcome, its position in the group
Observe = Callable[[int, EditSample, Outcome, int], None]


def evaluate(
    editor: Editor,
    samples: Samples,
    settings: EditSettings,
    out_dir: Path | str,
    *,
    batch_size: int = 32,
    seed: int = 0,
    metrics: Scorer | Iterable[str] | None = None,
    progress: Progress = lambda done, total: None,
    resume: bool = False,
    picture_path: PicturePath | None = None,
    edits: Edits | None = None,
) -> dict[str, float]:
    """Edit and score ``samples``; write ``samples.csv``, ``metrics.json`` and ``samples.png`` to ``out_dir``.

    Rows are on the disk batch by batch. A sample that cannot be loaded, edited or scored becomes a failed row and the others
    go on: a batch that fails is tried again sample by sample. What cannot be written ends the evaluation instead, with a
    ``WriteError``, for a full disk says nothing of a sample. Randomness is per sample, from (``seed``, ``sample_id``), so a row
    does not depend on ``batch_size``, but for ``speed/edit_seconds``: a batch's time over its size, the first one's warm-up
    included.

    Args:
        settings: of every edit; ``hold_threshold`` is also that of ``localization/iou``, hold on or off, and where the
            rule is another one that is not defined.
        metrics: names in ``metrics.REGISTRY``, whose weights have to be there; None for those that need none;
            or a scorer, which may have left metrics out (``not_run.json`` then says why).
        progress: called at the start and after every batch.
        resume: go on after the rows that ``out_dir`` holds, which must be of the same editor, samples and
            settings, and do again those that failed by the machine; otherwise start anew.
        picture_path: where in ``out_dir`` each edited picture is kept as PNG, its map in ``maps.jsonl``; None: nowhere.
        edits: makes the edits, or has them; None: ``editor`` makes them.

    Returns:
        What ``metrics.json`` holds, see :func:`editmgt.evaluation.summary.summarise`.

    Raises:
        UserError: for an unknown metric, one without its weights or settings that cannot be, before any work.
    """
    scorer = metrics if isinstance(metrics, Scorer) else Scorer(metrics)
    editor.check(settings)
    out_dir = Path(out_dir)
    gallery = Gallery(out_dir / GALLERY, resume)
    if not resume:
        (out_dir / MAPS).unlink(missing_ok=True)

    def keep(index: int, sample: EditSample, outcome: Outcome, position: int) -> None:
        edited = outcome.images[position]
        assert outcome.localization is not None and outcome.held is not None
        localization, held = outcome.localization[position], outcome.held[position]
        if picture_path is not None:
            write_atomic(out_dir / picture_path(sample), png(edited))
            keep_map(out_dir, sample.sample_id, localization, held)
        gallery.offer(index, sample, edited, localization, held)

    def drop(sample: EditSample) -> None:
        if picture_path is not None:
            # an earlier attempt's, of other weights; where the sample's key names no file there is none
            with suppress(ValueError):
                (out_dir / picture_path(sample)).unlink(missing_ok=True)

    run = _Run(editor, samples, settings, scorer, batch_size, seed, edits)
    summary = run.write(
        lambda group: _edit(group, settings, seed), out_dir, resume, progress, keep, drop=drop
    )
    gallery.write(RunDirectory(out_dir).page)
    if "failed/machine" not in summary:
        gallery.forget()
    return summary


def _edit(group: Group, settings: EditSettings, seed: int, **last: Any) -> Outcome:
    """Edit a group's pictures; ``last`` are more options of the last instruction of each."""
    images, seconds = list(group.source), 0.0
    options = settings.to_dict() | {"seed": seed, "batch_size": len(group.samples)}
    for turn in range(max(len(sample.before) for sample in group.samples)):
        active = [i for i, sample in enumerate(group.samples) if turn < len(sample.before)]
        result = group.edits.edit(
            [images[i] for i in active],
            [group.samples[i].before[turn] for i in active],
            sample_ids=[f"{group.samples[i].sample_id}@{turn}" for i in active],
            **options,
        )
        seconds += result.seconds
        for i, image in zip(active, result.images, strict=True):
            images[i] = image
    result = group.edits.edit(
        images,
        [sample.instruction for sample in group.samples],
        sample_ids=[sample.sample_id for sample in group.samples],
        **options,
        **last,
    )
    maps, held = (torch.stack(list(rows)) for rows in (result.localization, result.held))
    return Outcome(result.images, maps, held, seconds + result.seconds)


def controls(
    editor: Editor,
    samples: Samples,
    settings: EditSettings,
    out_dir: Path | str,
    *,
    batch_size: int = 32,
    seed: int = 0,
    metrics: Scorer | Iterable[str] | None = None,
    progress: Progress = lambda done, total: None,
    resume: bool = False,
    picture_path: PicturePath | None = None,
) -> dict[str, dict[str, float]]:
    """Score what the editor's result lies between, as :func:`evaluate` does: control's name -> its metrics.

    Doing nothing; losing what the codec loses; the best picture this codec could give; and the editor's own edit
    with everything outside the true edit mask held and region hold off, as if it knew where to edit. A control
    that needs a target or a mask is left out where no row has one; rows that lack it have no value. Metrics of maps and of
    time do not apply and are left out. Each control's rows go to a directory of its own in ``out_dir``; the pictures
    of ``reference.SHOWN_CONTROLS``, source and target, are kept there where ``picture_path`` says.
    """
    scorer = metrics if isinstance(metrics, Scorer) else Scorer(metrics)
    scorer = scorer.without({"localization", "held", "seconds"})
    oracle = replace(settings, region_hold=False)

    def with_masks(group: Group) -> Outcome:
        masks = [np.asarray(mask) for mask in group.masks]  # booleans: nothing may change, too
        return Outcome(_edit(group, oracle, seed, mask=masks).images)

    # what is scored in the edit's place: what it needs, and a group's pictures
    ways: dict[str, tuple[str, Produce]] = {
        reference.COPY_SOURCE: ("source", lambda group: Outcome(group.source)),
        reference.CODEC_SOURCE: ("source", lambda group: Outcome(group.source_codec)),
        reference.CODEC_TARGET: ("target", lambda group: Outcome(group.target_codec)),
        reference.ORACLE_MASK: ("edit_mask", with_masks),
    }
    known = _known(samples)
    ways = {name: way for name, way in ways.items() if way[0] in known}
    found = {}
    run = _Run(editor, samples, settings, scorer, batch_size, seed)
    for position, (name, (needs, produce)) in enumerate(ways.items()):

        def advance(done: int, total: int, before: int = position) -> None:
            progress(before * total + done, len(ways) * total)

        def keep(index: int, sample: EditSample, outcome: Outcome, position: int, name: str = name) -> None:
            if picture_path is not None and name in reference.SHOWN_CONTROLS.values():
                write_atomic(Path(out_dir) / name / picture_path(sample), png(outcome.images[position]))

        done = run.write(produce, Path(out_dir) / name, resume, advance, keep, needs)
        found[reference.CONTROL_TITLES[name]] = done
    return found


@dataclass
class _Run:
    """Rows of samples, whatever happens to any of them."""

    editor: Editor
    samples: Samples
    settings: EditSettings
    scorer: Scorer
    batch_size: int
    seed: int
    edits: Edits | None = None

    def write(
        self,
        produce: Produce,
        out_dir: Path,
        resume: bool,
        progress: Progress,
        observe: Observe,
        needs: str = "source",
        drop: Callable[[EditSample], None] = lambda sample: None,
    ) -> dict[str, float]:
        """Write every batch's rows to ``samples.csv``, then ``metrics.json``; return the latter's content.

        A sample that lacks what the pictures are made from, ``needs``, has a row without values; of one that failed,
        ``drop`` removes what was kept.
        """
        run = RunDirectory(out_dir)
        file = run.row_file(self.scorer.names)
        rows = file.resume() if resume else file.begin()
        total, sets = len(self.samples), self.scorer.set_scores()
        again = [index for index, row in enumerate(rows) if row.may_work_again]
        done = len(rows) - len(again)
        progress(done, total)
        for indexes in (*self._batches(again), *self._batches(range(len(rows), total))):
            finished = self._rows(indexes, produce, observe, drop, sets, needs)
            if indexes[0] < len(rows):
                for index, row in zip(indexes, finished, strict=True):
                    rows[index] = row
                file.replace(rows)
            else:
                file.append(finished)
                rows += finished
            done += len(finished)
            progress(done, total)
        summary = summarise(rows, self.scorer.names)
        summary |= sets.compute(int(summary["n"]))
        summary |= {f"{name}/not_run": summary["n"] for name in self.scorer.not_run}
        run.write_metrics(summary, self.scorer.not_run)
        return summary

    def _batches(self, indexes: Sequence[int]) -> list[Sequence[int]]:
        return [indexes[start : start + self.batch_size] for start in range(0, len(indexes), self.batch_size)]

    def _rows(
        self,
        indexes: Sequence[int],
        produce: Produce,
        observe: Observe,
        drop: Callable[[EditSample], None],
        sets: SetScores,
        needs: str,
    ) -> list[Row]:
        rows: dict[int, Row] = {}

        def work(batch: dict[int, EditSample]) -> None:
            group = Group(list(batch.values()), self.editor, self.settings.resolution, self.edits)
            outcome = produce(group)
            scores = score(group, outcome, self.settings, self.scorer, sets)
            for position, (index, sample) in enumerate(batch.items()):
                observe(index, sample, outcome, position)
                rows[index] = _row(sample, self.seed, values=scores[position])

        def attempt(batch: dict[int, EditSample]) -> None:
            try:
                work(batch)
            except WriteError:  # what the samples came to is lost: not a word on them
                raise
            except Exception as error:  # whatever a model or a file can raise is this batch's failure alone
                if len(batch) > 1:
                    for index, sample in batch.items():
                        attempt({index: sample})
                else:
                    [(index, sample)] = batch.items()
                    drop(sample)
                    rows[index] = _row(sample, self.seed, error=told(error))

        groups: dict[object, dict[int, EditSample]] = {}
        for index in indexes:
            try:
                sample = self.samples[index]
            except Exception as error:  # a corrupt file is a failed row, too
                rows[index] = Row(sample_id=f"#{index}", seed=self.seed, error=told(error))
                continue
            if getattr(sample, needs) is None:
                rows[index] = _row(sample, self.seed, values=dict.fromkeys(self.scorer.names, math.nan))
            else:
                groups.setdefault(kind(sample), {})[index] = sample
        for batch in groups.values():
            attempt(batch)
        return [rows[index] for index in indexes]


def _row(sample: EditSample, seed: int, error: str = "", values: dict[str, float] | None = None) -> Row:
    """The row of a sample that could be loaded."""
    texts = {name: getattr(sample, name) for name in OF_SAMPLE}
    return Row(seed=seed, error=error, values=values or {}, **texts)


def _known(samples: Samples) -> set[str]:
    """What some row has of what a control may need; rows are read until all that is possible has been seen."""
    possible = {"source", "target", "edit_mask"} - set(getattr(samples, "lacks", ()))
    found = {"source"}
    for index in range(len(samples)):
        if found == possible:
            break
        try:
            sample = samples[index]
        except Exception:  # its row will say what is wrong with it
            continue
        found |= {name for name in possible if getattr(sample, name) is not None}
    return found
