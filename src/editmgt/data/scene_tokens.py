"""Scenes as codes and token ids, rendered and encoded once, kept on disk, served step by step."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor
from torch.utils.data import IterableDataset

from editmgt.codec import Codec
from editmgt.data.order import shuffled
from editmgt.data.scenes import SceneDataset
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
        made = {"input_ids": text.tokenize(texts)}
        for name, pictures in (
            ("target_tokens", [sample.target for sample in samples]),
            ("source_tokens", [sample.source for sample in samples] if kind == "editor" else []),
        ):
            if pictures:
                pixels = torch.stack([torch.from_numpy(picture).permute(2, 0, 1) for picture in pictures])
                made[name] = codec.encode(pixels.to(codec.vqvae.device) / 255).cpu()
        for name, tensor in made.items():
            parts.setdefault(name, []).append(tensor)
    return {name: torch.cat(tensors) for name, tensors in parts.items()}, read


def _key(scenes: SceneDataset, codec: Codec, text: TextEncoder, kind: str) -> str:
    """A name that changes with anything the codes depend on: world, codec, tokenizer, and the drawing code."""
    digest = hashlib.sha256()
    facts = (scenes.split, scenes.seed, scenes.size, scenes.resolution, scenes.world, scenes.edit_types)
    digest.update(
        repr(
            (
                facts,
                scenes.lessons,
                scenes.wrong_pairs,
                kind,
                text.length,
                [sorted(words.items()) for words in text.vocabularies],
            )
        ).encode()
    )
    for tensor in codec.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    for source in sorted((Path(__file__).parent / "scenes").glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


class TokenBatches(IterableDataset[dict[str, Any]]):
    """Endless batches, each a pure function of (seed, step), so that a resumed run goes on where it stopped.

    Every epoch is a new permutation. Of each global batch a process takes every ``world_size``-th sample; ``ids`` has their
    names.
    """

    def __init__(
        self,
        tensors: dict[str, Tensor],
        global_batch: int,
        seed: int,
        start_step: int = 0,
        rank: int = 0,
        world_size: int = 1,
        name: Callable[[int], str] = str,
    ) -> None:
        self.name = name
        self.tensors, self.global_batch, self.seed = tensors, global_batch, seed
        self.start_step, self.rank, self.world_size = start_step, rank, world_size

    def __iter__(self) -> Iterator[dict[str, Any]]:
        step, size = self.start_step, len(self.tensors["input_ids"])
        while True:
            index = torch.arange(self.rank, self.global_batch, self.world_size)
            positions = torch.arange(step * self.global_batch, (step + 1) * self.global_batch)
            rows = shuffled(self.seed, positions[index], size)[0]
            batch: dict[str, Any] = {name: tensor[rows] for name, tensor in self.tensors.items()}
            batch["ids"] = [self.name(row) for row in rows.tolist()]
            yield batch | {"index": index, "global_size": torch.tensor(self.global_batch)}
            step += 1


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
