"""Where weights are: the names people give them, fetching them from the hub, and the files of one part.

A name is a shipped editor, a directory, or ``REPOSITORY[@REVISION]`` on the Hugging Face hub; ``:VARIANT`` after
any of them chooses files such as ``model.fp16.safetensors``. Only safetensors are ever read or fetched.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from editmgt import assets
from editmgt.errors import UserError, first_line, nearest
from editmgt.files import files_below

TRANSFORMERS = ("editmgt", "transformer")  # where both are, the first is the editor and the second its base
TEXTS = (".json", ".txt", ".model")
SUFFIX = ".safetensors"

_HUB = re.compile(r"(?P<repository>[\w-][\w.-]*/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
_SHARD = re.compile(r"-\d+-of-\d+")


class Weights(NamedTuple):
    """A directory, and which variant of its files is meant ("" for the plain ones)."""

    directory: Path
    variant: str = ""


def split(name: Path | str) -> tuple[str, str]:
    """Return a name without its variant, and the variant ("" where it says none)."""
    place, colon, variant = str(name).rpartition(":")
    if _is_here(str(name)) or not colon or not re.fullmatch(r"\w+", variant):
        return str(name), ""
    return place, variant


def local(name: Path | str) -> Path | None:
    """Return the directory of a shipped or local name; None where there is none on this machine."""
    place, _ = split(name)
    if place in assets.names():  # before directories: a shipped name means the same wherever one stands
        return assets.path(place)
    return Path(place) if Path(place).is_dir() else None


def on_hub(name: Path | str) -> bool:
    """Whether a name can only be a repository on the hub."""
    place, _ = split(name)
    return not _is_here(place) and not Path(place).parent.is_dir() and _HUB.fullmatch(place) is not None


def find(name: Path | str) -> Weights:
    """Return where the weights of a name are, fetched from the hub if need be; a ``UserError`` where nowhere."""
    place, variant = split(name)
    directory = local(place)
    if directory is None:
        match = _HUB.fullmatch(place)
        if match is None:
            shipped = assets.names()
            raise UserError(
                f"There is no editor '{name}': it is neither a directory nor a shipped name "
                f"({', '.join(shipped) or 'none is shipped'}).{nearest(place, shipped)}"
            )
        directory = _fetch(match["repository"], match["revision"], variant)
    if not variant:
        return Weights(directory, variant)
    variants = {variant_of(path.name) for path in files_below(directory) if path.suffix == SUFFIX}
    if variant not in variants:
        there = sorted(variants - {""})
        raise UserError(
            f"{place} has no variant '{variant}'; it has {', '.join(there) or 'none'}.{nearest(variant, there)}"
        )
    return Weights(directory, variant)


def variant_of(name: str) -> str:
    """Return the variant that a safetensors file's name says, "" for a plain one."""
    return _SHARD.sub("", name).removesuffix(SUFFIX).partition(".")[2]


def weight_files(directory: Path, stem: str, variant: str = "") -> list[Path]:
    """Return the safetensors files of one part, all shards of them: of ``variant`` where it has one, else plain.

    ``stem`` is the file's name before its suffixes. A ``UserError`` says what is not there.
    """
    for kind in dict.fromkeys([variant, ""]):
        dotted = f".{kind}" if kind else ""
        if (whole := directory / f"{stem}{dotted}{SUFFIX}").is_file():
            return [whole]
        if (index := directory / f"{stem}{SUFFIX}.index{dotted}.json").is_file():
            return _shards(index)
    variants = sorted({variant_of(path.name) for path in directory.glob(f"{stem}*{SUFFIX}")} - {""})
    hint = "".join(f" It has a variant: add ':{name}' to the name of the weights." for name in variants[:1])
    raise UserError(
        f"{directory} holds no {stem}{SUFFIX} and no {stem}{SUFFIX}.index.json with its shards.{hint}"
    )


def wanted(files: Iterable[str], variant: str = "") -> list[str]:
    """Choose from a repository's files what an editor is read from: texts, and one variant of each part."""
    paths = [PurePosixPath(file) for file in files]
    folders = {str(path.parent) for path in paths if path.suffix == SUFFIX}
    unused = set(TRANSFORMERS[1:]) if TRANSFORMERS[0] in folders else set()
    chosen = [str(path) for path in paths if path.suffix in TEXTS]
    for folder in sorted(folders - unused):
        weights = [path for path in paths if str(path.parent) == folder and path.suffix == SUFFIX]
        of_variant = [path for path in weights if variant_of(path.name) == variant]
        plain = [path for path in weights if not variant_of(path.name)]
        chosen += [str(path) for path in of_variant or plain]
    return chosen


def _is_here(place: str) -> bool:
    return place in assets.names() or Path(place).is_dir()


def _shards(index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise UserError(f"{index} is not a readable index of shards: {error!r}") from None
    # names alone: an index may not point out of its directory
    shards = [index.parent / name for name in names if isinstance(name, str) and Path(name).name == name]
    missing = [str(name) for name in names if not (index.parent / str(name)).is_file()]
    if missing or len(shards) < len(names):
        raise UserError(
            f"{index} names shards that are not beside it: {', '.join(missing or map(str, names))}"
        )
    return shards


def _fetch(repository: str, revision: str | None, variant: str) -> Path:
    """Return the directory of a repository in the hub's cache, up to date where there is a network."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import OfflineModeIsEnabled, RepositoryNotFoundError, RevisionNotFoundError

    shown = f"'{repository}{f'@{revision}' if revision else ''}' is no directory here and"
    try:
        info = HfApi().model_info(
            repository, revision=revision
        )  # unlike a listing it does not retry for long
        files = wanted((file.rfilename for file in info.siblings or ()), variant)
        return Path(snapshot_download(repository, revision=revision, allow_patterns=files))
    except RevisionNotFoundError:
        raise UserError(f"'{repository}' has no revision '{revision}' on the Hugging Face hub.") from None
    except RepositoryNotFoundError:
        raise UserError(
            f"{shown} not on the Hugging Face hub, or it is private: then log in with `hf auth login`."
        ) from None
    except OfflineModeIsEnabled:
        reason = "HF_HUB_OFFLINE is set"
    except Exception as error:  # no network, a server that fails, no space: the cache may still do
        reason = first_line(error)
    try:
        return Path(
            snapshot_download(
                repository,
                revision=revision,
                local_files_only=True,
                allow_patterns=[f"*{suffix}" for suffix in TEXTS],
            )
        )
    except Exception:  # the cache has it or has not; its reasons say nothing more
        raise UserError(
            f"{shown} could not be fetched from the Hugging Face hub ({reason}), nor is it in its cache."
        ) from None
