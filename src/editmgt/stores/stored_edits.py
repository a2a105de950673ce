"""Edits by fingerprint: each picture is edited once, whichever cells, sweeps and processes judge it.

What a cell varies may change how an edit's map is read and not the edit: with region hold off, consolidation and the
source of the map do. So raw attention and the maps of every other source are kept with the pictures, and every cell reads
them its own way. Where a hold rule decided, the map is a part of the edit and is kept as it was. The sources' round trips
through the codec, which every cell compares with, are kept beside them.
Shapes: B samples, S steps, L layers, H W codes, h w cells.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

from editmgt.editing import Editor, EditResult, EditSettings
from editmgt.editing.attention_map import score_maps
from editmgt.files import read_json, write_atomic, write_json
from editmgt.lock import locked
from editmgt.stores.fingerprint import digest, source_digest

EDIT_SOURCE = ("model", "editing", "codec.py", "text.py")


def edits_fingerprint(weights: str, settings: EditSettings, seed: int, device: str, dtype: str) -> str:
    """Return the hash of everything but the sample that decides an edit; ``weights`` is their own hash."""
    identity = {
        "weights": weights,
        "settings": settings.of_pictures,
        "seed": seed,
        "device": device,
        "dtype": dtype,
        "source": source_digest(*EDIT_SOURCE),
    }
    return digest(identity)


def layers_read(settings: EditSettings, others: Iterable[int] = ()) -> set[int]:
    """Return the blocks whose attention is kept with an edit.

    Those that these settings, or the same with consolidation or averaging switched, read, and those that ``others`` read;
    none where a map that needs no attention decided the edit, for no other way to read it can be asked for.
    """
    if settings.holds and settings.map_source != "attention":
        return set()
    return {*settings.layers, settings.single_layer, *others}


@contextmanager
def opened(
    editor: Editor, directory: Path, layers: set[int], owner: dict[str, str], say: Callable[[str], None]
) -> Iterator["StoredEdits"]:
    """Lend an editor that keeps its edits in ``directory``; one process at a time has it.

    Args:
        editor: makes what is not there.
        directory: of one fingerprint; made when missing.
        layers: blocks whose maps are kept.
        owner: the ``cell`` and the ``sweep`` that ask.
        say: tells the user one line.
    """
    with locked(directory, lambda: say(f"waiting for edits {directory.name}, which another process makes")):
        before = _status(directory)
        finished = before.get("state") == "done"
        stored = StoredEdits(editor, directory, sorted(layers), say)
        if not finished:
            if stored.found:
                say(f"continuing edits {directory.name}, {stored.found} are there")
            write_json(directory / "status.json", {"state": "running", **owner})
        yield stored
        if not finished:
            write_json(directory / "status.json", {"state": "done", **owner})
        elif stored.taken:
            here = (
                owner["sweep"]
                and before.get("sweep") == owner["sweep"]
                and before.get("cell") != owner["cell"]
            )
            say(f"edits shared with cell {before.get('cell')}" if here else f"reused edits {directory.name}")


class StoredEdits:
    """An editor and the directory of its finished edits: makes those that are not there, and adds them, a file a batch.

    It serves one choice of active settings and seed, those that ``directory`` is named for, and pictures of one
    size a call. Maps are scored by the settings of the call, whichever made the edit.
    """

    def __init__(
        self, editor: Editor, directory: Path, layers: Sequence[int], say: Callable[[str], None]
    ) -> None:
        self.editor = editor
        self._directory, self._layers, self._say = directory, list(layers), say
        self.taken = 0  # edits that were there when they were asked for
        self._places: dict[str, tuple[Path, int]] = {}
        for path in sorted(directory.glob("*.safetensors")):
            try:
                self._index(path)
            except (SafetensorError, OSError, ValueError, KeyError):
                path.replace(path.with_suffix(".corrupt"))
                say(f"{path} is corrupt: moved aside, its samples are edited again")
        self.found = len(self._places)  # edits that were there at first

    def edit(
        self,
        images: Sequence[Image.Image],
        instructions: Sequence[str],
        *,
        sample_ids: Sequence[str],
        seed: int = 0,
        batch_size: int = 16,
        **overrides: Any,
    ) -> EditResult:
        """Edit as :meth:`Editor.edit` does; ``seconds`` is what the edits took when they were made.

        Edits that were made on another device, or another number of them at once, say nothing of how long these take:
        their ``seconds`` are NaN.

        What is made now is returned from memory, the same bit for bit as what its file will give.

        Raises:
            UserError: for anything but settings in ``overrides``, such as a mask: those edits are not kept here.
        """
        settings = self.editor.settings.override(**overrides)
        keys = [_key(*parts) for parts in zip(sample_ids, images, instructions, strict=True)]
        missing = [i for i, key in enumerate(keys) if key not in self._places]
        self.taken += len(keys) - len(missing)
        made: dict[Path, _File] = {}
        if missing:
            result = self.editor.edit(
                [images[i] for i in missing],
                [instructions[i] for i in missing],
                sample_ids=[sample_ids[i] for i in missing],
                seed=seed,
                batch_size=batch_size,
                # where a rule decided, no other map is read, and edits may have taken different numbers of steps
                record_layers=[] if settings.holds else self._layers,
                record_sources=self._sources(settings),
                **overrides,
            )
            made = self._keep([keys[i] for i in missing], result, settings)
        return self._recall(keys, settings, made)

    def round_trip(self, images: Sequence[Image.Image], resolution: int) -> list[Image.Image]:
        """Return :meth:`Editor.round_trip`, which is taken once of the same pictures in the same order."""
        content = digest([resolution, *(_key("", image, "") for image in images)])
        path = self._directory / f"{content}.codec"  # safetensors, too, but no edits
        try:
            pictures = load(path.read_bytes())["images"]
        except (OSError, SafetensorError):
            made = self.editor.round_trip(images, resolution)
            write_atomic(path, save({"images": _stack(made)}))
            return made
        return [Image.fromarray(picture) for picture in pictures.numpy()]

    def _keep(self, keys: list[str], result: EditResult, settings: EditSettings) -> "dict[Path, _File]":
        tensors = {
            "images": _stack(result.images),
            "tokens": _one_size(result.tokens).to(torch.int32),
            "held": _one_size(result.held),
            "changed": _one_size(result.changed),
            "localization": _one_size(result.localization),
            **({} if settings.holds else {"maps": _one_size(result.layer_maps)}),
            **{source: _one_size(maps) for source, maps in result.code_maps.items()},
            "seconds": torch.full((len(keys),), result.seconds / len(keys), dtype=torch.float64),
        }
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        notes = {
            "keys": json.dumps(keys),
            "layers": json.dumps(self._layers),
            "sources": json.dumps([*result.code_maps]),
            "timed": self._timed(len(keys)),
        }
        path = self._directory / f"{digest([keys, self._layers])}.safetensors"
        write_atomic(path, save(tensors, notes))
        self._places |= {key: (path, row) for row, key in enumerate(keys)}
        return {path: _File(tensors, self._layers, notes["timed"])}

    def _timed(self, count: int) -> str:
        """What the time of an edit depends on: how many are made at once, and where."""
        device = self.editor.device
        where = (
            torch.cuda.get_device_name(device)
            if device.type == "cuda"
            else f"{torch.get_num_threads()} threads"
        )
        return f"{count} at once, {where}"

    def _index(self, path: Path) -> None:
        with safe_open(path, framework="pt") as file:
            notes = file.metadata()
        if "sources" not in notes:
            self._say(
                f"{path} was made before maps other than attention's were kept: its samples are edited again"
            )
            return
        if set(self._layers) <= set(json.loads(notes["layers"])):
            self._places |= {key: (path, row) for row, key in enumerate(json.loads(notes["keys"]))}

    def _recall(self, keys: list[str], settings: EditSettings, made: "dict[Path, _File]") -> EditResult:
        places = [self._places[key] for key in keys]
        files = {path: made.get(path) or _read(path) for path in {path for path, _ in places}}

        def column(name: str) -> Tensor:
            return torch.stack([files[path].tensors[name][row] for path, row in places])

        timed = self._timed(len(keys))
        seconds = [
            float(files[path].tensors["seconds"][row]) if files[path].timed == timed else math.nan
            for path, row in places
        ]
        maps_BSLhw = torch.empty(len(keys), 0)
        if not settings.holds:
            maps_BSLhw = torch.stack([files[path].maps(row, settings.map_layers) for path, row in places])
        if settings.holds:
            localization = column("localization")
        elif settings.map_source == "attention":
            localization = score_maps(maps_BSLhw, settings.map_smoothing)
        else:
            localization = column(settings.map_source).mean(dim=1)
        return EditResult(
            images=[Image.fromarray(picture) for picture in column("images").numpy()],
            tokens=column("tokens").long(),
            localization=localization,
            held=column("held"),
            changed=column("changed"),
            seconds=sum(seconds),
            trace=[],
            layer_maps=maps_BSLhw,
            code_maps={source: column(source) for source in self._sources(settings)},
        )

    def _sources(self, settings: EditSettings) -> tuple[str, ...]:
        """Sources whose maps are kept with an edit: where a rule decided, no other can be asked for."""
        return () if settings.holds else self.editor.code_sources(settings)


@dataclass(frozen=True)
class _File:
    tensors: dict[str, Tensor]
    layers: list[int]
    timed: str

    def maps(self, row: int, layers: Sequence[int]) -> Tensor:
        """One sample's [S,L,h,w] of the layers that are asked for."""
        return self.tensors["maps"][row][:, [self.layers.index(layer) for layer in layers]]


def _read(path: Path) -> _File:
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no dict)
        notes = file.metadata()
        return _File(tensors, json.loads(notes["layers"]), notes.get("timed", ""))


def _stack(images: Sequence[Image.Image]) -> Tensor:
    """uint8 [B,H,W,3]."""
    return torch.from_numpy(np.stack([np.asarray(image) for image in images]))


def _one_size(tensors: Tensor | list[Tensor]) -> Tensor:
    if not isinstance(tensors, Tensor):
        raise ValueError("stored edits are of pictures of one size a call")
    return tensors


def _key(sample_id: str, image: Image.Image, instruction: str) -> str:
    """A sample by content, so that a data set that changed on disk is never taken for the old one."""
    total = hashlib.sha256(f"{sample_id}\0{instruction}\0{image.size}\0".encode())
    total.update(image.tobytes())
    return total.hexdigest()[:24]


def _status(directory: Path) -> dict[str, Any]:
    try:
        values = read_json(directory / "status.json")
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
