"""From a pair of pictures to what a model is shown: source, target and mask, cropped and flipped together."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editmgt.data.bad_rows import BadRow
from editmgt.data.buckets import Size, nearest_bucket

# A mirrored picture no longer fits a sentence about sides, turns or writing.
_SIDED = re.compile(
    r"\b(left|right|leftmost|rightmost|(anti|counter)?-?clockwise|east|west|mirror\w*|flip\w*|"
    r"text|letters?|letterings?|words?|writing|writes?|written|captions?|logos?|signs?|numbers?|digits?|says?|reads?|spell\w*|"
    r"titles?|labels?|names?|fonts?|brands?|clocks?|rotat\w*|turn\w* .*around)\b|\"|(?<!\w)'[^']+'",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Pair:
    """A row whose pictures are decoded: upright RGB, the mask black and white."""

    source: Image.Image | None  # None for text-to-image
    target: Image.Image
    mask: Image.Image | None
    text: str  # the instruction, or for text-to-image the caption
    edit_type: str = ""


@dataclass(frozen=True)
class View:
    """One crop of a pair: uint8 [H, W, 3], ``edit_mask`` bool [H, W] (all True where the dataset has no mask)."""

    source: NDArray[np.uint8] | None
    target: NDArray[np.uint8]
    edit_mask: NDArray[np.bool_]


@dataclass(frozen=True)
class Transform:
    """A crop as large as the picture allows, of the shape in ``sizes`` that is nearest to its own, scaled to that size.

    The crop is chosen on the source. Target and mask of another size are stretched to the source's, which keeps what
    lies at the same relative place together; where aspect ratios differ by more than ``max_aspect_change`` the row is
    bad. Each crop is one resampling from the original pixels.
    """

    sizes: tuple[Size, ...]  # (width, height) of the views, see :func:`editmgt.data.buckets.bucket_sizes`
    crops: int  # places along the longer side: 1 the centre, more: evenly from end to end
    flip: (
        bool  # also every crop mirrored, unless the text speaks of sides, turns or writing, or cannot be told
    )
    min_side: int  # a picture with a shorter side is bad
    max_aspect_change: float  # relative, such as 0.1

    @property
    def variants(self) -> int:
        """Number of different views of a pair."""
        return self.crops * (2 if self.flip else 1)

    def check(self, pair: Pair) -> None:
        """Raise ``BadRow`` for pictures too small, or too different in shape, to be used."""
        sizes = [picture.size for picture in (pair.source, pair.target, pair.mask) if picture is not None]
        for size in sizes:
            if min(size) < self.min_side:
                raise BadRow("too small", f"{size[0]}x{size[1]}")
        if differ := aspects_differ(sizes, self.max_aspect_change):
            raise BadRow("aspect ratios differ", differ)

    def bucket(self, size: Size) -> int:
        """Return which of ``sizes`` a picture of ``size`` is cropped to."""
        return nearest_bucket(size, self.sizes)

    def __call__(self, pair: Pair, variant: int, bucket: int | None = None) -> View:
        """Return view ``variant`` in [0, variants): crops first, then the same crops mirrored.

        ``bucket`` is which of ``sizes`` to crop to, by default the picture's own.
        """
        flipped, crop = divmod(variant, self.crops)
        mirror = bool(flipped) and may_flip(pair.text)
        width, height = (pair.source or pair.target).size
        size = self.sizes[self.bucket((width, height)) if bucket is None else bucket]
        across, down = min(width, height * size[0] / size[1]), min(height, width * size[1] / size[0])
        place = 0.5 if self.crops == 1 else crop / (self.crops - 1)
        left, top = int((width - across) * place), int((height - down) * place)
        window = (left / width, top / height, (left + across) / width, (top + down) / height)

        def cut(picture: Image.Image, filter: Image.Resampling) -> NDArray[np.uint8]:
            box = tuple(edge * picture.size[i % 2] for i, edge in enumerate(window))
            resized = picture.resize(size, filter, box=_whole(box))
            return np.array(resized)[:, ::-1].copy() if mirror else np.array(resized)

        return View(
            source=None if pair.source is None else cut(pair.source, Image.Resampling.LANCZOS),
            target=cut(pair.target, Image.Resampling.LANCZOS),
            edit_mask=np.ones(size[::-1], bool)
            if pair.mask is None
            else cut(pair.mask, Image.Resampling.BOX) >= 128,
        )


def aspects_differ(sizes: Sequence[tuple[int, ...]], most: float) -> str:
    """Return the sizes (width, height), for an error, where their aspect ratios differ by more than ``most``; else ""."""
    aspects = [width / height for width, height in sizes]
    return " and ".join(f"{w}x{h}" for w, h in sizes) if max(aspects) / min(aspects) > 1 + most else ""


def may_flip(text: str) -> bool:
    """Whether a mirrored picture still fits ``text``."""
    return text.isascii() and _SIDED.search(text) is None


def _whole(box: tuple[float, ...]) -> tuple[float, float, float, float]:
    """Undo the rounding of relative coordinates, so that a picture of the source's size is cut at whole pixels."""
    left, top, right, bottom = (round(edge) if abs(edge - round(edge)) < 1e-6 else edge for edge in box)
    return left, top, right, bottom
