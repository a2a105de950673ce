"""What an edit was asked for, paired up and checked: a sample for every picture, instruction and seed."""

import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image
from torch import Tensor

from editmgt.editing.images import ImageLike, working_size
from editmgt.editing.masks import MaskLike, read_mask
from editmgt.editing.original import Original
from editmgt.errors import UserError
from editmgt.limits import SEED

if TYPE_CHECKING:
    from editmgt.text import TextEncoder  # transformers, which a mistake in the input should not wait for


@dataclass(frozen=True)
class Sample:
    """One edit to make.

    Attributes:
        original: the picture as it was given.
        instruction: what to change.
        sample_id: decides, with ``seed``, its random numbers.
        mask: levels, or None.
        seed: see ``sample_id``.
        rows: the text rows that the map is made of, or None for all.
        size: width and height that it is edited at.
    """

    original: Original
    instruction: str
    sample_id: str
    mask: Image.Image | None
    seed: int
    rows: Tensor | None
    size: tuple[int, int]


def pair_up(
    images: ImageLike | Sequence[ImageLike],
    instructions: str | Sequence[str],
    sample_ids: Sequence[str] | None,
    mask: MaskLike | Sequence[MaskLike | None] | None,
    seed: int | Sequence[int],
    query: str | None,
    text_encoder: "TextEncoder",
    resolution: int,
    multiple: int,
) -> list[Sample]:
    """Return the samples of a call of :meth:`Editor.edit`, the seeds of one behind each other.

    Raises:
        UserError: for what does not pair, or cannot be edited.
    """
    seeds = check_seeds(seed)
    several: list[Any] = [images]
    if isinstance(images, Sequence | Iterator) and not isinstance(images, str):
        several = list(images)
    originals = [Original.of(image) for image in several]
    sentences = _texts(instructions, "instructions")
    if len(originals) == 1:
        originals *= len(sentences)
    count = len(originals)
    # a path is no mask, and is refused whole
    masks: list[Any] = [mask] * count
    if isinstance(mask, Sequence | Iterator) and not isinstance(mask, str):
        masks = list(mask)
    ids = [str(i) for i in range(count)] if sample_ids is None else _ids(sample_ids)
    for values, name in ((sentences, "instructions"), (masks, "masks"), (ids, "sample_ids")):
        if len(values) != count:
            raise UserError(f"{count} images came with {len(values)} {name}: give one for each.")
    if not originals:
        raise UserError("There is no image to edit.")
    empty = [name for name, sentence in zip(ids, sentences, strict=True) if not sentence.strip()]
    if empty:
        raise UserError(f"The instruction is empty (sample {', '.join(empty)}): say what to change.")
    levels = [
        None if one is None else read_mask(one, size=original.rgb.size)
        for one, original in zip(masks, originals, strict=True)
    ]
    rows = [None if query is None else _rows(text_encoder, sentence, query) for sentence in sentences]
    sizes = [working_size(original.rgb.size, resolution, multiple) for original in originals]
    return [
        Sample(originals[i], sentences[i], ids[i], levels[i], one_seed, rows[i], sizes[i])
        for i in range(count)
        for one_seed in seeds
    ]


def check_seeds(seed: int | Sequence[int], name: str = "seed") -> list[int]:
    """Return one or several seeds as a list; a ``UserError`` for none, for what is no seed, or for one given twice."""
    given = list(seed) if isinstance(seed, Sequence | Iterator) and not isinstance(seed, str) else [seed]
    seeds: list[int] = []
    for value in given:
        try:
            number = operator.index(value) if not isinstance(value, bool) else None
        except TypeError:
            number = None
        if number is None or number < 0:
            raise UserError(f"{name}={value!r} must be a whole number of at least 0, or a list of them.")
        if number > SEED.most:
            raise UserError(f"{name}={value} {SEED.rule}.")
        if number in seeds:
            raise UserError(f"{name}={value} is given twice: both edits would be the same.")
        seeds.append(number)
    if not seeds:
        raise UserError(f"{name} is empty: give at least one.")
    return seeds


def check_text(text: Any, name: str) -> None:
    """Raise a ``UserError`` for what is no text, or no valid one."""
    if not isinstance(text, str):
        raise UserError(f"{name} must be a text, not {type(text).__name__}.")
    try:
        text.encode()
    except UnicodeEncodeError as error:  # how Python shows bytes that it cannot decode
        raise UserError(f"{text!r} is not valid UTF-8: type it again, or set a UTF-8 locale.") from error


def batches(samples: list[Sample], batch_size: int) -> list[list[int]]:
    """Group positions of samples by working size, in batches of at most ``batch_size``."""
    groups: dict[tuple[int, int], list[int]] = {}
    for i, sample in enumerate(samples):
        groups.setdefault(sample.size, []).append(i)
    return [
        group[first : first + batch_size]
        for group in groups.values()
        for first in range(0, len(group), batch_size)
    ]


def _texts(texts: str | Iterable[str], name: str) -> list[str]:
    if not isinstance(texts, str | Iterable):
        raise UserError(f"{name} must be a text or a list of them, not {type(texts).__name__}.")
    sentences = [texts] if isinstance(texts, str) else list(texts)
    for sentence in sentences:
        check_text(sentence, f"each of {name}")
    return sentences


def _ids(sample_ids: Any) -> list[str]:
    if isinstance(sample_ids, str) or not isinstance(sample_ids, Iterable):
        raise UserError(f"sample_ids must be a list of names, one for each image, not {sample_ids!r}.")
    return [str(name) for name in sample_ids]


def _rows(text_encoder: "TextEncoder", instruction: str, query: str) -> Tensor:
    check_text(query, "query")
    rows = text_encoder.rows_of(instruction, query)
    if not rows.any():
        raise UserError(
            f"The query '{query}' is not among the tokens that are read of '{instruction}': name one of its words."
        )
    return rows
