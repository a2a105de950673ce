"""Scenes as codes and token ids, rendered and encoded once, kept on disk, served step by step."""

import hashlib
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor
from torch.utils.data import IterableDataset

from editmgt.codec import Codec
from editmgt.data.encoding import collate, encode
from editmgt.data.order import Share, shuffled
from editmgt.data.scenes import SceneDataset
from editmgt.data.transform import View
from editmgt.editing.cuts import count_line
from editmgt.files import write_atomic
from editmgt.lock import locked
from editmgt.progress import progress_bar
from editmgt.text import TextEncoder

_CHUNK = 64


def tokenized(
    scenes: SceneDataset, codec: Codec, text: TextEncoder, kind: str, cache_dir: Path
) -> dict[str, Tensor]:
    """Codes and token ids of every scene, from ``cache_dir`` when they have been made before.

    ``kind`` is ``editor`` (instructions, source and target) or ``base`` (captions and pictures, no source). Returns int64
    ``target_tokens`` [N, h, w], ``input_ids`` [N, T] and, for an editor, ``source_tokens`` [N, h, w].
    """
    path = cache_dir / f"{_key(scenes, codec, text, kind)}.safetensors"
    if not path.exists():  # a cache that is there may be read-only
        with locked(path, lambda: print("waiting for another process, which renders the same scenes")):
            if not path.exists():
                print(
                    f"rendering {len(scenes):,} {scenes.split} scenes, once: kept in {cache_dir}", flush=True
                )
                with progress_bar(f"rendering {scenes.split} scenes") as tell:
                    made, texts = _encode(scenes, codec, text, kind, tell)
                if line := count_line(texts, text, f"texts of {scenes.split} scenes"):
                    print(line, flush=True)
                write_atomic(path, save({name: tensor.to(torch.int32) for name, tensor in made.items()}))
    return {name: tensor.long() for name, tensor in load_file(path).items()}


def _encode(
    scenes: SceneDataset, codec: Codec, text: TextEncoder, kind: str, tell: Callable[[int, int], None]
) -> tuple[dict[str, Tensor], list[str]]:
    """Codes and token ids of every scene, and the texts."""
    read: list[str] = []
    parts: dict[str, list[Tensor]] = {}
    for start in range(0, len(scenes), _CHUNK):
        tell(start, len(scenes))
        samples = [scenes[i] for i in range(start, min(start + _CHUNK, len(scenes)))]
        texts = [sample.instruction if kind == "editor" else sample.target_caption for sample in samples]
        read += texts
        sources = [sample.source if kind == "editor" else None for sample in samples]
        views = [
            View(source, sample.target, sample.edit_mask)
            for source, sample in zip(sources, samples, strict=True)
        ]
        for name, tensor in encode(collate(views, texts), codec, text).items():
            parts.setdefault(name, []).append(tensor.cpu())
    return {name: torch.cat(tensors) for name, tensors in parts.items()}, read


def _key(scenes: SceneDataset, codec: Codec, text: TextEncoder, kind: str) -> str:
    """A name that changes with anything the codes depend on: world, codec, tokenizer, and the drawing code."""
    digest = hashlib.sha256()
    drawn = (scenes.split, scenes.seed, scenes.size, scenes.resolution, scenes.world, scenes.edit_types)
    words = [sorted(vocabulary.items()) for vocabulary in text.vocabularies]
    facts = (drawn, scenes.lessons, scenes.wrong_pairs, kind, text.length, words)
    digest.update(repr(facts).encode())
    for tensor in codec.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    for source in sorted((Path(__file__).parent / "scenes").glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


class TokenBatches(IterableDataset[dict[str, Any]]):
    """Endless batches, each a pure function of (seed, step), so that a resumed run goes on where it stopped.

    Every epoch is a new permutation; ``ids`` has the samples' names.
    """

    def __init__(
        self, tensors: dict[str, Tensor], seed: int, share: Share, name: Callable[[int], str] = str
    ) -> None:
        self.tensors, self.seed, self.share, self.name = tensors, seed, share, name

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for step in count(self.share.start_step):
            positions, size = self.share.positions(step), len(self.tensors["input_ids"])
            rows = [shuffled(self.seed, position, size)[0] for position in positions]
            batch: dict[str, Any] = {name: tensor[rows] for name, tensor in self.tensors.items()}
            yield self.share.placed(batch | {"ids": [self.name(row) for row in rows]})


def dev_batches(
    tensors: dict[str, Tensor], batch_size: int, rank: int = 0, world_size: int = 1
) -> list[dict[str, Tensor]]:
    """Every sample of ``tensors`` once and in order, a process's part of each batch.

    ``sample`` [B] numbers the samples. All processes have batches of one size: where they cannot be shared out evenly,
    the next samples fill them up, and ``counted`` [B] is False for those.
    """
    size = len(tensors["target_tokens"])
    batches = []
    for start in range(0, size, batch_size):
        end = min(start + batch_size, size)
        filled = end + -(end - start) % world_size
        positions = torch.arange(start + rank, filled, world_size)
        rows = positions % size
        batch = {name: tensor[rows] for name, tensor in tensors.items()}
        batches.append(batch | {"sample": rows, "counted": positions < end})
    return batches
