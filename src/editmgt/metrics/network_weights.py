"""Where a metric's weights lie: at a configured path, in the usual caches, or a download away; and their hash.

Nothing found here is run: safetensors, or PyTorch's pickles with ``weights_only``.
"""

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from torch import Tensor

from editmgt.errors import UserError

DIGEST_LENGTH = 16  # hexadecimal digits


class MissingWeights(UserError):
    """Weights (or the package that reads them) that are not here and cannot be fetched."""


def configured(key: str, path: str) -> Path:
    """Return the path that a user gave; one that is not there is a ``UserError``."""
    if not Path(path).exists():
        raise UserError(f"{key}={path}: there is no such file or directory.")
    return Path(path)


def in_directory(key: str, directory: Path, names: Sequence[str]) -> tuple[Path, ...]:
    """Return the named files of a directory that a user gave; a missing one is a ``UserError``."""
    if missing := [name for name in names if not (directory / name).is_file()]:
        raise UserError(f"{key}={directory} has no {', '.join(missing)}.")
    return tuple(directory / name for name in names)


def from_hub(key: str, repository: str, names: Sequence[str]) -> tuple[Path, ...]:
    """Return files of a repository, from the cache or downloaded; ``MissingWeights``, which says where to put them, else."""
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache

    cached = [try_to_load_from_cache(repository, name) for name in names]
    found = tuple(Path(path) for path in cached if isinstance(path, str))
    if len(found) == len(names):
        return found
    try:
        return tuple(Path(hf_hub_download(repository, name)) for name in names)
    except Exception as error:  # what a network can raise has no common ancestor
        raise MissingWeights(
            f"{' and '.join(names)} of {repository} are not in {constants.HF_HUB_CACHE} and cannot be fetched "
            f"({_why(error)}): put them in a directory and say {key}=DIRECTORY."
        ) from error


def from_torch_cache(key: str, url: str) -> Path:
    """Return a checkpoint of PyTorch's own cache, by the name it has at ``url``, else downloaded.

    The same weights as ``.safetensors`` beside it win. A download is checked against the hash in its name.

    Raises:
        MissingWeights: where both fail; it names the file and says where to put it.
    """
    import torch

    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    for candidate in (path.with_suffix(".safetensors"), path):
        if candidate.is_file():
            return candidate
    try:
        if _offline():
            raise ConnectionError("HF_HUB_OFFLINE is set")
        path.parent.mkdir(parents=True, exist_ok=True)
        hashed = re.search(r"-([0-9a-f]{8,})\.", path.name)
        torch.hub.download_url_to_file(url, str(path), hashed and hashed[1], progress=False)
    except Exception as error:  # as above
        raise MissingWeights(
            f"{path.name} is not in {path.parent} and cannot be fetched ({_why(error)}): "
            f"put it there, or say {key}=FILE."
        ) from error
    return path


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file or PyTorch checkpoint, on the CPU; a ``UserError`` for anything else."""
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the formats raise a dozen kinds of error over a broken file
        raise UserError(f"{path} cannot be read as weights: {_why(error)}") from error
    if not isinstance(tensors, dict):
        raise UserError(f"{path} holds a {type(tensors).__name__}, not named tensors.")
    return tensors


def digest(files: Sequence[Path]) -> str:
    """Return a hash of the files' content."""
    stats = [(str(path), path.stat()) for path in files]
    return _digest(tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in stats))


@cache
def _digest(files: tuple[tuple[str, int, int], ...]) -> str:
    """Keyed by sizes and times too: files replaced while this runs are hashed again."""
    total = hashlib.sha256()
    for path, _, _ in files:
        with Path(path).open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:DIGEST_LENGTH]


def _offline() -> bool:
    from huggingface_hub import is_offline_mode

    return bool(is_offline_mode())


def _why(error: Exception) -> str:
    if _offline():
        return "HF_HUB_OFFLINE is set"
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
