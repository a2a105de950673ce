"""Views of pairs as batches of pixels, and such batches as the codes and text that a model is trained on.

Shapes: B samples, H W pixels, h w codes, T text tokens.
"""

from collections.abc import Sequence
from typing import Any

import torch

from editmgt.codec import Codec
from editmgt.data.transform import View
from editmgt.text import TextEncoder


def collate(views: Sequence[View], texts: Sequence[str]) -> dict[str, Any]:
    """Return ``target_pixels`` and, where there is one, ``source_pixels``, uint8 [B, 3, H, W], and ``texts``, a list."""
    pictures: dict[str, list[Any]] = {
        "target": [view.target for view in views],
        "source": [view.source for view in views],
    }
    return {"texts": list(texts)} | {
        f"{name}_pixels": torch.stack([torch.from_numpy(picture).permute(2, 0, 1) for picture in some])
        for name, some in pictures.items()
        if some[0] is not None
    }


def encode(batch: dict[str, Any], codec: Codec, text: TextEncoder | None) -> dict[str, Any]:
    """Replace pixels by codes int64 [B, h, w] and, given a text encoder, texts by its token ids, where the codec is."""
    device = codec.vqvae.device
    encoded = {name: value for name, value in batch.items() if not name.endswith(("_pixels", "texts"))}
    for name in ("target", "source"):
        if f"{name}_pixels" in batch:
            encoded[f"{name}_tokens"] = codec.encode(batch[f"{name}_pixels"].to(device).float() / 255)
    if text is not None:
        encoded["input_ids"] = text.tokenize(batch["texts"]).to(device)
    return encoded
