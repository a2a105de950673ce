"""Views of pairs as batches of pixels, and such batches as the codes and text that a model is trained on.

Shapes: B samples, H W pixels, h w codes, T text tokens.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from editmgt.codec import Codec
from editmgt.data.transform import View
from editmgt.editing.masks import codes_that_may_change
from editmgt.text import TextEncoder


def collate(views: Sequence[View], texts: Sequence[str], downsampling: int) -> dict[str, Any]:
    """Return a batch of pixels and texts.

    ``target_pixels`` and, where there is one, ``source_pixels`` are uint8 [B, 3, H, W]; ``edit_mask`` is bool [B, h, w],
    True where a code holds a pixel that may change; ``texts`` is a list.
    """
    height, width = views[0].edit_mask.shape
    grid = (height // downsampling, width // downsampling)
    batch: dict[str, Any] = {
        "target_pixels": _stack([view.target for view in views]),
        "edit_mask": torch.stack([codes_that_may_change(view.edit_mask, grid) for view in views]),
        "texts": list(texts),
    }
    sources = [view.source for view in views if view.source is not None]
    if sources:
        batch["source_pixels"] = _stack(sources)
    return batch


def encode(batch: dict[str, Any], codec: Codec, text: TextEncoder | None) -> dict[str, Any]:
    """Replace pixels by codes int64 [B, h, w] and, given a text encoder, texts by its token ids."""
    device = batch["target_pixels"].device
    codec = codec.to(device)
    encoded = {name: value for name, value in batch.items() if not name.endswith(("_pixels", "texts"))}
    for name in ("target", "source"):
        if f"{name}_pixels" in batch:
            encoded[f"{name}_tokens"] = codec.encode(batch[f"{name}_pixels"].float() / 255)
    if text is not None:
        encoded["input_ids"] = text.tokenize(batch["texts"]).to(device)
    return encoded


def _stack(pictures: Sequence[Any]) -> Tensor:
    return torch.stack([torch.from_numpy(picture).permute(2, 0, 1) for picture in pictures])
