"""The Editor: pictures and sentences in, edited pictures out."""

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import torch
from PIL import Image
from torch import Tensor

from editmgt.codec import Codec
from editmgt.editing import bundle
from editmgt.editing.composite import composite_of, with_detail
from editmgt.editing.cuts import InstructionCut, cuts_of
from editmgt.editing.images import ImageLike, resize, to_image, to_pixels, working_size
from editmgt.editing.loop import PerSample, Step, TokenEdit
from editmgt.editing.masks import MaskLike, codes_that_may_change, may_change
from editmgt.editing.reading import Reader, stacked
from editmgt.editing.sampler import sample_generators
from editmgt.editing.samples import Sample, batches, check_text, pair_up
from editmgt.editing.settings import INJECTION, PARADIGM, EditSettings
from editmgt.editing.settings_problems import check_guidance, check_query, check_threshold, validate
from editmgt.editing.tokens import edit_tokens
from editmgt.errors import UserError, nearest
from editmgt.model import AESTHETIC_SCORE, MGTransformer
from editmgt.text import TextEncoder, TextStates


@dataclass(frozen=True)
class EditResult:
    """What an edit returns, samples in the order they were given, tensors on the CPU.

    Attributes:
        images: edited pictures, each in the size of its source; a composite in its mode and profile too, else sRGB.
        tokens: their codes [B,H,W].
        localization: where something has to change [B,h,w] in [0, 1]: the mean over steps, or with ``hold_when="first_pass"``
            and hold on that pass's map. The map's grid is the cells' for ``map_source="attention"``, the codes' (H x W) for
            ``posterior`` and ``guidance``, where what a mask keeps has 0.
        held: [B,H,W] bool, tokens that the hold rule decided when they were committed for good, or before the first step.
        changed: [B,H,W] bool, tokens that came out other than the source's codes.
        seconds: wall time of the whole call.
        trace: with ``trace=True``, tokens, localization and held after every step.
        layer_maps: [B,S,L,h,w], float32: raw text-to-image attention of the layers in ``record_layers`` at
            every step, averaged over text rows (a query's alone, if there is one) and heads, before rescaling; ``localization.score_maps`` makes
            scores of any of them.
        code_maps: of each source in ``record_sources`` its map at every step [B,S,H,W], float32, in [0, 1]; a code that was
            known has the score it had when it was last unknown.
    """

    images: list[Image.Image]
    tokens: PerSample
    localization: PerSample
    held: PerSample
    changed: PerSample
    seconds: float
    trace: list[Step]
    layer_maps: PerSample
    code_maps: dict[str, PerSample]


class Editor:
    """Edits pictures by instruction with a codec, a text encoder and a transformer that belong together.

    ``settings`` are the defaults of :meth:`edit`. ``timestep_convention`` is what the transformer was trained
    to be told at a step: ``step_index`` (published weights), ``mask_ratio``, or ``noise_level`` (a flow).
    ``text_encoder_afterwards`` is what becomes of the text encoder when it has read an edit's texts: keep, offload (to the
    CPU) or drop.
    """

    def __init__(
        self,
        codec: Codec,
        text_encoder: TextEncoder,
        transformer: MGTransformer,
        settings: EditSettings | None = None,
        timestep_convention: str = "step_index",
        text_encoder_afterwards: str = "keep",
    ) -> None:
        bundle.check_parts(codec, text_encoder, transformer, timestep_convention)
        self.codec = codec
        self.text_encoder = text_encoder
        self.reader = Reader(text_encoder, text_encoder_afterwards)
        self.transformer = transformer
        self.settings = settings or EditSettings()
        self.timestep_convention = timestep_convention

    @classmethod
    def from_pretrained(
        cls,
        name: Path | str,
        *,
        dtype: torch.dtype = torch.float32,
        adapter: Path | str | None = None,
        text_encoder_afterwards: str = "keep",
    ) -> Self:
        """Load an editor on the CPU.

        Args:
            name: a shipped one, a directory, or REPOSITORY[@REVISION] on the Hugging Face hub; ``:VARIANT`` after
                it reads files such as ``model.fp16.safetensors``.
            dtype: of transformer and text encoder.
            adapter: directory of a LoRA to put on the transformer.
            text_encoder_afterwards: see the class.
        """
        parts = bundle.read(name, dtype, adapter)
        return cls(
            parts.codec,
            parts.text_encoder,
            parts.transformer,
            parts.settings,
            parts.timestep_convention,
            text_encoder_afterwards,
        )

    def save_pretrained(self, directory: Path | str) -> None:
        """Write the directory that :meth:`from_pretrained` reads."""
        parts = bundle.Bundle(
            self.codec, self.text_encoder, self.transformer, self.settings, self.timestep_convention
        )
        bundle.write(parts, directory)

    def to(self, device: torch.device | str) -> Self:
        """Move the models; a text encoder that is offloaded comes along only to read."""
        for module in self._modules():
            if module is not self.text_encoder or self.reader.afterwards == "keep":
                module.to(device)
        return self

    @property
    def device(self) -> torch.device:
        """Where the transformer is."""
        return self.transformer.device

    @property
    def pixels_per_cell(self) -> int:
        """Sides of working sizes and ``settings.resolution`` are multiples of this."""
        return self.codec.downsampling * self.transformer.cell_size

    @property
    def paradigm(self) -> str:
        """``mgt``, or ``flow``, which predicts no probabilities of codes."""
        return "flow" if self.transformer.config.latent_channels else "mgt"

    @property
    def learnt(self) -> dict[str, Any]:
        """What it was trained with that makes settings say nothing, by its keys of a configuration."""
        return {INJECTION: self.transformer.config.reference_mode == "attention", PARADIGM: self.paradigm}

    def check(self, settings: EditSettings, key: Callable[[str], str] = str) -> None:
        """Raise a ``UserError`` for settings of an edit that this editor cannot make; ``key`` says how the user calls one."""
        validate(settings, self.transformer.num_blocks, self.pixels_per_cell, self.paradigm, key=key)

    def code_sources(self, settings: EditSettings) -> tuple[str, ...]:
        """Sources of maps on the codes' grid that every step of such an edit tells."""
        return () if self.paradigm == "flow" else settings.code_sources

    def edit(
        self,
        images: ImageLike | Sequence[ImageLike],
        instructions: str | Sequence[str],
        *,
        sample_ids: Sequence[str] | None = None,
        mask: MaskLike | Sequence[MaskLike | None] | None = None,
        query: str | None = None,
        composite: bool = False,
        feather: bool = False,
        seed: int | Sequence[int] = 0,
        trace: bool = False,
        record_layers: Sequence[int] = (),
        record_sources: Sequence[str] = (),
        batch_size: int = 16,
        progress: Callable[[int, int], None] = lambda done, total: None,
        **overrides: Any,
    ) -> EditResult:
        """Edit pictures of any size and aspect ratio, each by its instruction.

        Args:
            images: one or a list of PIL images of any mode; numpy arrays, uint8, HxW or HxWx1, 3 or 4; torch tensors,
                channels first (1, 3 or 4 x H x W), uint8 or floats in [0, 1].
            instructions: as many sentences; one image may have several.
            sample_ids: names that, with ``seed``, decide a sample's random numbers whatever its batch;
                default: its position.
            mask: per image, in its size, or None: white may change, all else keeps the source's codes. What counts as
                white: see :mod:`editmgt.editing.masks`.
            query: a word of every instruction; the map is then made of its tokens' attention alone. None: of all rows.
            composite: whether pixels outside the edited region (the codes that changed, and one around them) are the
                image's own, bit for bit, in its own mode, colour profile and depth, and its detail stays inside where
                the edit keeps the structure: see :mod:`editmgt.editing.composite` and
                :mod:`editmgt.editing.original`. The edited image is in sRGB, mode RGB, where it is False.
            feather: whether the greys of ``mask`` blend a composite's edit in; else its middle divides edit and image.
            seed: see ``sample_ids``; of several, each sample is edited by each, and a sample's edits stand one behind
                another. Images and instructions are read once.
            trace: keep every step in the result.
            record_layers: blocks whose raw attention maps the result keeps; the pictures do not depend on it.
            record_sources: ``posterior`` or ``guidance``, or both: whose maps the result keeps, likewise, but for rounding in
                half precision.
            batch_size: samples that go through the models together; the result does not depend on it.
            progress: called with (steps done, steps in all) after every step of every batch.
            overrides: fields of :class:`EditSettings` that differ from ``self.settings`` for this call.

        Raises:
            UserError: for settings, images or instructions that cannot be edited, before any work.
        """
        start = time.perf_counter()
        settings = self.settings.override(**overrides)
        self.check(settings)
        check_text(settings.negative_prompt, "negative_prompt")
        if settings.negative_prompt != self.settings.negative_prompt:
            check_guidance(settings)
        if not isinstance(batch_size, int) or batch_size < 1:
            raise UserError(f"batch_size={batch_size} must be at least 1, a whole number.")
        if feather and not (composite and mask is not None):
            raise UserError(
                "feather=True blends a composite by its mask: it needs composite=True and a mask."
            )
        check_query(settings, query, self.transformer.config.connector_type)
        record_layers, record_sources = self._recorded(record_layers, record_sources, settings)
        check_threshold(self.settings, overrides)
        samples = pair_up(
            images,
            instructions,
            sample_ids,
            mask,
            seed,
            query,
            self.text_encoder,
            settings.resolution,
            self.pixels_per_cell,
        )
        self._warn_of_cuts(samples)
        planned = batches(samples, batch_size)

        done, total = 0, settings.steps * len(planned)

        def advance(most: int, steps: int = 1) -> None:
            """Tell of ``steps`` more, but of no more than ``most`` in all: fewer may be taken than were planned, or more."""
            nonlocal done
            if done < min(done + steps, most):
                done = min(done + steps, most)
                progress(done, total)

        pictures: dict[int, Image.Image] = {}
        edits: dict[int, tuple[TokenEdit, int]] = {}
        codes: dict[int, Tensor] = {}
        # each source through the codec, however many edits are made of it
        before: dict[int, Image.Image] = {}
        with self._evaluating():
            texts = [sample.instruction for sample in samples]
            read = self.reader.read([*texts, settings.negative_prompt], self.device, batch_size)
            for finished, batch in enumerate(planned, start=1):
                most = finished * settings.steps
                edit, decoded = self._edit_batch(
                    [samples[i] for i in batch],
                    read,
                    codes,
                    settings,
                    trace,
                    record_layers,
                    record_sources,
                    partial(advance, most),
                )
                advance(most, settings.steps)
                for row, i in enumerate(batch):
                    edits[i] = edit, row
                    picture, original = to_image(decoded[row]), samples[i].original
                    if composite:
                        key = id(original)
                        if key not in before:
                            before[key] = to_image(self.codec.decode(codes[key])[0])
                        picture = with_detail(original.rgb, picture, before[key])
                        pictures[i] = composite_of(samples[i], picture, edit.changed[row], feather)
                    else:
                        pictures[i] = resize(picture, original.rgb.size)
        ordered = [edits[i] for i in range(len(samples))]
        return EditResult(
            images=[pictures[i] for i in range(len(samples))],
            tokens=_join([edit.tokens[row] for edit, row in ordered]),
            localization=_join([edit.localization[row] for edit, row in ordered]),
            held=_join([edit.held[row] for edit, row in ordered]),
            changed=_join([edit.changed[row] for edit, row in ordered]),
            seconds=time.perf_counter() - start,
            trace=[
                Step(
                    _join([edit.step(k).tokens[row] for edit, row in ordered]),
                    _join([edit.step(k).localization[row] for edit, row in ordered]),
                    _join([edit.step(k).held[row] for edit, row in ordered]),
                )
                for k in range(max(len(edit.trace) for edit, _ in ordered))
            ],
            layer_maps=_join([edit.layer_maps[row, : edit.steps_B[row]] for edit, row in ordered]),
            code_maps={
                source: _join([edit.code_maps[source][row, : edit.steps_B[row]] for edit, row in ordered])
                for source in record_sources
            },
        )

    def round_trip(self, images: Sequence[Image.Image], resolution: int) -> list[Image.Image]:
        """Return RGB pictures of one size through the codec and back, at the size they would be edited at."""
        size = working_size(images[0].size, resolution, self.pixels_per_cell)
        pixels = torch.stack([to_pixels(resize(image, size)) for image in images])
        decoded = self.codec.decode(self.codec.encode(pixels.to(self.device)))
        return [resize(to_image(row), image.size) for row, image in zip(decoded, images, strict=True)]

    @torch.inference_mode()
    def _edit_batch(
        self,
        samples: list[Sample],
        read: dict[str, TextStates],
        codes: dict[int, Tensor],
        settings: EditSettings,
        trace: bool,
        record_layers: Sequence[int],
        record_sources: Sequence[str],
        on_step: Callable[[], None],
    ) -> tuple[TokenEdit, Tensor]:
        """Edit samples of one working size: returns their codes and their pixels [B,3,H,W].

        ``read`` are the states of all texts. ``codes`` are those of pictures that were encoded already, by identity; new
        ones are added.
        """
        width, height = samples[0].size
        grid = (height // self.codec.downsampling, width // self.codec.downsampling)
        for sample in samples:
            if id(sample.original) not in codes:
                pixels = to_pixels(resize(sample.original.rgb, sample.size))
                codes[id(sample.original)] = self.codec.encode(pixels[None].to(self.device))
        reference_BHW = torch.cat([codes[id(sample.original)] for sample in samples])
        free = [
            torch.ones(grid, dtype=torch.bool)
            if sample.mask is None
            else codes_that_may_change(may_change(sample.mask), grid)
            for sample in samples
        ]
        asked = [sample.rows for sample in samples if sample.rows is not None]
        rows = torch.stack(asked) if asked else None
        text = stacked(read, [sample.instruction for sample in samples])
        negative = stacked(read, [settings.negative_prompt] * len(samples))
        micro_conditions = torch.tensor(
            [width, height, 0, 0, AESTHETIC_SCORE], dtype=torch.float32, device=self.device
        )
        edit = edit_tokens(
            self.transformer,
            reference_BHW,
            text,
            negative,
            settings,
            micro_conditions_B5=micro_conditions.expand(len(samples), -1),
            randomness=sample_generators(
                [sample.seed for sample in samples], [sample.sample_id for sample in samples], self.device
            ),
            timestep_convention=self.timestep_convention,
            codebook_KC=self.codec.codebook if self.paradigm == "flow" else None,
            may_change_BHW=torch.stack(free).to(self.device),
            rows_BT=None if rows is None else rows.to(self.device),
            trace=trace,
            record_layers=record_layers,
            record_sources=record_sources,
            on_step=on_step,
        )
        return edit, self.codec.decode(edit.tokens)

    def _recorded(
        self, layers: Iterable[int], sources: Iterable[str], settings: EditSettings
    ) -> tuple[list[int], list[str]]:
        """Return both as lists; what is not there is a ``UserError``."""
        last = self.transformer.num_blocks - 1
        if not isinstance(layers, Iterable):
            raise UserError(f"record_layers={layers} must be a list of blocks.")
        layers, sources, able = list(layers), list(sources), self.code_sources(settings)
        if outside := [layer for layer in layers if layer not in range(last + 1)]:
            raise UserError(f"record_layers {outside} do not exist: this model has blocks 0 to {last}.")
        if unknown := [source for source in sources if source not in able]:
            raise UserError(
                f"record_sources={sources}: {unknown[0]} must be one of {', '.join(able) or 'none: a flow has none'}"
                f"{'' if settings.guided else ' (there is no guidance)'}.{nearest(unknown[0], able)}"
            )
        return layers, sources

    def _warn_of_cuts(self, samples: list[Sample]) -> None:
        if cuts := cuts_of((sample.instruction for sample in samples), self.text_encoder):
            warnings.warn(InstructionCut(cuts, self.text_encoder.length), stacklevel=3)

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Put the models into eval mode and each part back, so that training can preview its own weights."""
        were_training = [part for model in self._modules() for part in model.modules() if part.training]
        for model in self._modules():
            model.eval()
        try:
            yield
        finally:
            for part in were_training:
                part.training = True

    def _modules(self) -> tuple[Codec, TextEncoder, MGTransformer]:
        return self.codec, self.text_encoder, self.transformer


def _join(rows: list[Tensor]) -> PerSample:
    """Stack on the CPU where shapes agree. The copies are ordinary tensors, free of inference mode."""
    rows = [row.cpu() for row in rows]
    if all(row.shape == rows[0].shape for row in rows):
        return torch.stack(rows)
    return [row.clone() for row in rows]
